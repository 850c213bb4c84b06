"""One statement opened with libcst, and its nodes found by position."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from fixinplace.model import Span
from fixinplace.rewrite.base import Node
from fixinplace.rewrite.binding import Refusal
from fixinplace.rewrite.lines import checked
from fixinplace.source import Text


@dataclass(frozen=True)
class Statement:
    """The tree of one statement, and its calls by the offset in the part where they end.

    No two calls end at one place, while they may start at one: `x.mul_(a).add_(b)`.
    """

    module: cst.Module
    small: cst.BaseSmallStatement
    calls: dict[int, cst.Call]
    header: bool

    def node(self, span: Span, is_call: bool) -> Node:
        """The call that ends where `span` ends, or else the statement itself; raises Refusal."""
        found = self.call(span.end) if is_call else self.small
        if not isinstance(found, cst.Call | cst.AugAssign | cst.Assign):
            raise Refusal("no-safe-place", "the statement has a form that is not rewritten")
        return found

    def call(self, end: int) -> cst.Call:
        """The call that ends at an offset; raises Refusal."""
        if end not in self.calls:
            raise Refusal("no-safe-place", "the call stands where it cannot be edited")
        return self.calls[end]

    def text(self, small: cst.BaseSmallStatement) -> str:
        """The text of this statement's successor: of a header, the expression without the parentheses added here."""
        if not self.header:
            return checked(self.code(small))
        assert isinstance(small, cst.Expr)
        root = small.value
        bare = root.with_changes(lpar=root.lpar[1:], rpar=root.rpar[:-1])
        checked(f"({self.code(bare)})")
        return self.code(bare)

    def code(self, node: cst.CSTNode) -> str:
        """The text of a node, with the line endings of this statement."""
        return self.module.code_for_node(node)


def open_statement(part: Text, span: Span, header: bool) -> Statement:
    """Parse the text of a simple statement, or of a header expression put in parentheses; raises Refusal."""
    text = part.slice(span)
    shown = f"({text})" if header else text
    try:
        module = cst.parse_module(shown)
    except cst.ParserSyntaxError as error:
        raise Refusal("no-safe-place", f"the statement cannot be edited: {error.message}") from error
    wrapper = MetadataWrapper(module, unsafe_skip_copy=True)
    line = module.body[0] if module.body else None
    if module.code != shown or not isinstance(line, cst.SimpleStatementLine) or len(line.body) != 1:
        raise Refusal("no-safe-place", "the statement's layout cannot be kept")
    table, origin = Text(shown), span.start - header
    calls = {
        origin + table.starts[place.end.line - 1] + place.end.column: node
        for node, place in wrapper.resolve(PositionProvider).items()
        if isinstance(node, cst.Call)
    }
    return Statement(module, line.body[0], calls, header)
