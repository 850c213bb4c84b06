"""A user's file as a repair sees it: the nodes at traced places, their statements and blocks, and edits of them."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from fixinplace.model import Edit, Span
from fixinplace.source import Source, Text
from fixinplace.trace.events import Place

Function = ast.FunctionDef | ast.AsyncFunctionDef
_SIMPLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Return, ast.Delete, ast.Assert, ast.Raise)


@dataclass(frozen=True)
class Code:
    """One file: its source and its tree, with the way up from every node."""

    source: Source
    tree: ast.Module = field(compare=False)

    @property
    def path(self) -> str:
        """Path of the file as it was read."""
        return self.source.path

    @property
    def text(self) -> Text:
        """The decoded text."""
        return self.source.part

    @cached_property
    def above(self) -> dict[int, ast.AST]:
        """Parent of every node, by the node's id."""
        return {id(child): node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    def up(self, node: ast.AST) -> Iterator[ast.AST]:
        """The node's ancestors, nearest first."""
        while (parent := self.above.get(id(node))) is not None:
            yield parent
            node = parent

    def at(self, place: Place) -> ast.expr | ast.stmt | None:
        """The largest expression or statement whose text is the place, else the statement of the place's line."""
        span = self.span_of(place)
        nodes = [node for node in ast.walk(self.tree) if isinstance(node, (ast.expr, ast.stmt))]
        if span is not None:
            exact = [node for node in nodes if self.text.span(node) == span]
            if exact:
                return exact[0]
            ending = [node for node in nodes if self.text.span(node).end == span.end and isinstance(node, ast.Call)]
            if ending:
                return ending[0]
        lines = [node for node in nodes if isinstance(node, _SIMPLE) and covers(node, place.line)]
        return max(lines, key=lambda node: node.lineno, default=None)

    def span_of(self, place: Place) -> Span | None:
        """The place as a span of this text; None where it has no columns or lies outside."""
        if not place.column or not place.end_line or place.end_line > len(self.text.starts):
            return None
        start = self.text.starts[place.line - 1] + place.column - 1
        end = self.text.starts[place.end_line - 1] + place.end_column - 1
        return Span(start, end) if start < end <= len(self.text.text) else None

    def statement(self, node: ast.AST) -> ast.stmt:
        """The innermost statement that holds the node."""
        return node if isinstance(node, ast.stmt) else next(up for up in self.up(node) if isinstance(up, ast.stmt))

    def function(self, node: ast.AST) -> Function | None:
        """The innermost function around a node."""
        return next((up for up in self.up(node) if isinstance(up, Function)), None)

    def qualified(self, function: Function) -> str:
        """The function's name with those of the classes and functions that it stands in, as `__qualname__` has it."""
        names = [function.name]
        for up in self.up(function):
            if isinstance(up, ast.ClassDef):
                names.insert(0, up.name)
            elif isinstance(up, Function):
                names.insert(0, f"{up.name}.<locals>")
        return ".".join(names)

    def block(self, statement: ast.stmt) -> tuple[list[ast.stmt], int] | None:
        """The statements among which one stands, and its place there."""
        parent = self.above.get(id(statement))
        for name in ("body", "orelse", "finalbody"):
            block = getattr(parent, name, None)
            if isinstance(block, list) and any(each is statement for each in block):
                return block, next(n for n, each in enumerate(block) if each is statement)
        return None

    def loop(self, node: ast.AST) -> ast.For | ast.While | None:
        """The innermost loop around a node, within its function."""
        for up in self.up(node):
            if isinstance(up, (ast.For, ast.While)):
                return up
            if isinstance(up, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
                return None
        return None

    def source_of(self, node: ast.expr | ast.stmt) -> str:
        """The node's own text."""
        return self.text.slice(self.text.span(node))

    def name_of(self, module: str, attribute: str = "") -> str | None:
        """How this file writes a module (`torch`) or one of its members (`torch.no_grad`); None if it cannot."""
        for node in self.tree.body:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name == module or (alias.asname is None and alias.name.startswith(module + ".")):
                        return f"{alias.asname or module}{'.' + attribute if attribute else ''}"
            elif isinstance(node, ast.ImportFrom) and attribute and node.module == module:
                for alias in node.names:
                    if alias.name == attribute:
                        return alias.asname or attribute
        return None

    def can_import(self, module: str) -> bool:
        """True if a line `import module` would take no name of this file's, and has an import to stand by."""
        words = (getattr(node, key, None) for node in ast.walk(self.tree) for key in ("id", "arg", "name", "asname"))
        return module not in words and self._first_import(module) is not None

    def _first_import(self, module: str) -> ast.stmt | None:
        """The first import of a part of the module, else of anything."""
        found = [each for each in self.tree.body if isinstance(each, (ast.Import, ast.ImportFrom))]
        found = [each for each in found if getattr(each, "module", None) != "__future__" and self.head(each) == ""]
        parts = (each for each in found if re.match(rf"(import|from) {module}\b", self.source_of(each)))
        return next(parts, found[0] if found else None)

    # --- edits

    def importing(self, module: str) -> Edit | None:
        """`import module` on a line of its own."""
        first = self._first_import(module)
        return None if first is None else self.before_statement(first, f"import {module}")

    def replace(self, node: ast.expr | ast.stmt, text: str) -> Edit:
        """Another text for a node."""
        return Edit(self.text.span(node), text)

    def after(self, node: ast.expr | ast.stmt, text: str) -> Edit:
        """Text right behind a node."""
        end = self.text.span(node).end
        return Edit(Span(end, end), text)

    def before_statement(self, statement: ast.stmt, text: str) -> Edit | None:
        """A statement of its own before this one; None where it shares its line with another."""
        start = self.text.span(statement).start
        head = self.head(statement)
        return None if head is None else Edit(Span(start, start), f"{text}{self.newline}{head}")

    def after_statement(self, statement: ast.stmt, text: str) -> Edit | None:
        """A statement of its own behind this one, in the same block."""
        head = self.head(statement)
        end = self.line_end(self.text.span(statement).end)
        if head is None or end is None:
            return None
        return Edit(Span(end, end), f"{self.newline}{head}{text}")

    def appended(self, statement: ast.stmt, text: str) -> Edit:
        """A simple statement behind a simple one: below it, or on its line where others share that."""
        return self.after_statement(statement, text) or self.after(statement, f"; {text}")

    def remove(self, statement: ast.stmt) -> Edit | None:
        """The whole line of a statement taken out; None where the line holds anything else but a comment."""
        span = self.text.span(statement)
        head, end = self.head(statement), self.line_end(span.end)
        if head is None or end is None:
            return None
        start = span.start - len(head)
        newline = self.text.text[end : end + 2] if self.text.text[end : end + 2] == "\r\n" else self.text.text[end:][:1]
        return Edit(Span(start, end + len(newline)), "")

    def head(self, statement: ast.stmt) -> str | None:
        """The indentation of a statement that begins its line."""
        line = self.text.position(self.text.span(statement).start)[0]
        head = self.text.text[self.text.starts[line - 1] : self.text.span(statement).start]
        return None if head.strip(" \t") else head

    def line_end(self, offset: int) -> int | None:
        """Where the line of an offset ends, if nothing but a comment stands between."""
        line = self.text.position(offset)[0]
        stop = self.text.starts[line] if line < len(self.text.starts) else len(self.text.text)
        rest = self.text.text[offset:stop]
        bare = rest.rstrip("\r\n")
        return offset + len(bare) if not bare.strip() or bare.lstrip().startswith("#") else None

    @cached_property
    def newline(self) -> str:
        """The line ending of the file's first line."""
        first = self.text.text[: self.text.starts[1]] if len(self.text.starts) > 1 else "\n"
        return "\r\n" if first.endswith("\r\n") else first[-1]


def covers(node: ast.expr | ast.stmt, line: int) -> bool:
    """True if the node's text has a part in this line."""
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def same_file(one: str, two: str) -> bool:
    """True if two paths lead to the same file."""
    return os.path.realpath(one) == os.path.realpath(two)
