"""On which branch of its function a site stands: what must hold for a run to come by it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.model import Span
from fixinplace.rewrite.reads import parse_file
from fixinplace.source import Text
from fixinplace.walking import children

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


def branches(part: Text, span: Span) -> list[tuple[int, str]]:
    """Line (from 1) and text of the branches around a span, within its function, the outermost first.

    `if mode == "sum":` for what runs where that holds, `else of if mode == "sum":` for what runs where it does not.
    """
    return list(_around(part, parse_file(part.text), span))


def _around(part: Text, node: ast.AST, span: Span) -> Iterator[tuple[int, str]]:
    inner = next((child for child in children(node) if _holds(part, child, span)), None)
    if inner is None:
        return
    deeper = list(_around(part, inner, span))
    if not _has_scope(part, inner, span):
        arm = _arm(part, node, inner)
        yield from () if arm is None else [(getattr(node, "lineno", 0), arm)]
    yield from deeper


def _has_scope(part: Text, node: ast.AST, span: Span) -> bool:
    """True if a function begins between a node and the span: what holds outside of it was asked at another time."""
    if isinstance(node, _SCOPES):
        return True
    inner = next((child for child in children(node) if _holds(part, child, span)), None)
    return inner is not None and _has_scope(part, inner, span)


def _holds(part: Text, node: ast.AST, span: Span) -> bool:
    if isinstance(node, ast.match_case | ast.comprehension):
        return any(_holds(part, child, span) for child in children(node))
    if not isinstance(node, ast.expr | ast.stmt | ast.excepthandler):
        return False
    return part.span(node).contains(span)


def _arm(part: Text, node: ast.AST, inner: ast.AST) -> str | None:
    """The branch of a node in which one of its parts stands; None where the node has none."""
    match node:
        case ast.If(test=test) | ast.While(test=test) if inner is not test:
            head = f"{'if' if isinstance(node, ast.If) else 'while'} {_shown(part, test)}:"
            return f"else of {head}" if inner in node.orelse else head
        case ast.IfExp(test=test) if inner is not test:
            head = f"if {_shown(part, test)}"
            return f"else of {head}" if inner is node.orelse else head
        case ast.Try(handlers=handlers) if inner in handlers:
            assert isinstance(inner, ast.ExceptHandler)
            return f"except {_shown(part, inner.type)}:" if inner.type is not None else "except:"
        case ast.Match(cases=cases) if isinstance(inner, ast.match_case) and inner in cases:
            return f"case {ast.unparse(inner.pattern)}:"
    return None


def _shown(part: Text, node: ast.expr) -> str:
    text = " ".join(part.slice(part.span(node)).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
