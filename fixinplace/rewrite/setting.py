"""Where a statement stands: what it is, and where text may be put before it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from fixinplace.model import Span
from fixinplace.source import Text
from fixinplace.walking import above, children, walk

Compound = (
    ast.If | ast.While | ast.For | ast.AsyncFor | ast.With | ast.AsyncWith | ast.Match
    | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Try | ast.TryStar
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Setting:
    """A statement that can be edited.

    node: the simple statement, or the header expression of a compound one.
    span: the text of `node`.
    before: offset where a statement that runs right before may be inserted, None if there is no such place.
    joint: what stands between an inserted statement and what follows it: newline and indentation, or `; `.
    repeated: a header that is evaluated once a round (`while`).
    block, index: the statements among which a simple statement stands, and its place there; empty for a header.
    in_class: it stands in the body of a class, where no comprehension may bind a name.
    """

    node: ast.stmt | ast.expr
    span: Span
    before: int | None
    joint: str
    repeated: bool = False
    block: Sequence[ast.stmt] = ()
    index: int = 0
    in_class: bool = False


def settings(part: Text, tree: ast.Module, wanted: Iterable[Span]) -> dict[Span, Setting]:
    """The statements and header expressions whose spans are wanted; those that do not exist are left out."""
    spans = set(wanted)
    lines = {part.position(span.start)[0] for span in spans}
    found: dict[Span, Setting] = {}
    for node in walk(tree):
        if isinstance(node, Compound):
            candidates = ((e, node) for e in _headers(node) if e.lineno in lines)
            found |= {part.span(e): _header(part, e, owner) for e, owner in candidates if part.span(e) in spans}
        for block in _blocks(node) if type(node) not in _WITHOUT else ():
            for index, one in enumerate(block):
                span = part.span(one) if one.lineno in lines and not isinstance(one, Compound) else None
                if span in spans:
                    where = joint(part, span.start)
                    found[span] = Setting(one, span, span.start, where, False, block, index, _in_class(one, tree))
    return found


def _in_class(node: ast.AST, tree: ast.Module) -> bool:
    parents = above(tree)
    while not isinstance(node, _SCOPES):
        node = parents[id(node)]
    return isinstance(node, ast.ClassDef)


_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.Module)


_WITHOUT = frozenset((ast.Name, ast.Constant, ast.Attribute, ast.Call, ast.arg, ast.keyword, ast.Expr, ast.Assign))
"""The most frequent nodes, which hold no statements."""


def _blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """The lists of statements of a module or compound statement."""
    for name in ("body", "orelse", "finalbody"):
        block = getattr(node, name, None)
        if isinstance(block, list):
            yield block


def _headers(node: Compound) -> Iterator[ast.expr]:
    """Expressions of a compound statement that stand outside its bodies."""
    for child in children(node):
        match child:
            case ast.expr():
                yield child
            case ast.withitem(context_expr=expression):
                yield expression
            case ast.arguments(defaults=defaults, kw_defaults=keywords):
                yield from (e for e in (*defaults, *keywords) if e is not None)
            case ast.keyword(value=value):
                yield value
            case ast.match_case(guard=guard) if guard is not None:
                yield guard
            case ast.ExceptHandler(type=kind) if kind is not None:
                yield kind


def _header(part: Text, node: ast.expr, owner: Compound) -> Setting:
    span = part.span(node)
    start = part.span(owner).start
    safe = _runs_first(node, owner) and not part.text.startswith("elif", start)
    return Setting(node, span, start if safe else None, joint(part, start), isinstance(owner, ast.While))


def _runs_first(node: ast.expr, owner: Compound) -> bool:
    """True if `node` is evaluated once, and before anything else of its compound statement."""
    match owner:
        case ast.If(test=first) | ast.For(iter=first) | ast.AsyncFor(iter=first) | ast.Match(subject=first):
            return node is first
        case ast.With(items=items) | ast.AsyncWith(items=items):
            return node is items[0].context_expr
    return False


def joint(part: Text, start: int) -> str:
    """Newline and indentation if the statement begins its line, else `; `.

    A line after a backslash is no line of its own: `if c: \\` goes on there.
    """
    line, _ = part.position(start)
    head = part.text[part.starts[line - 1] : start]
    above = part.text[: part.starts[line - 1]].rstrip("\r\n")
    if head.strip(" \t\f") or (above.endswith("\\") and not above.endswith("\n")):
        return "; "
    return _newline(part) + head


def _newline(part: Text) -> str:
    """The line ending of the part's first line; a single line is taken to end in a line feed."""
    if len(part.starts) == 1:
        return "\n"
    end = part.starts[1]
    return "\r\n" if part.text.startswith("\r\n", end - 2) else part.text[end - 1]
