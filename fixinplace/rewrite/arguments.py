"""Taking an argument out of a call without touching the layout of the others."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from fixinplace.catalogue import Writer


def keyword(call: cst.Call, name: str) -> int | None:
    """Index of a keyword argument, None if the call has none of that name."""
    return next((n for n, arg in enumerate(call.args) if arg.keyword is not None and arg.keyword.value == name), None)


def flag(call: cst.Call, writer: Writer) -> int | None:
    """Index of the `inplace` argument, by keyword or by position; None if it is not there to be seen."""
    named = keyword(call, "inplace")
    place = writer.flag_position
    if named is not None or place is None or place >= len(call.args):
        return named
    plain = all(arg.keyword is None and not arg.star for arg in call.args[: place + 1])
    return place if plain else None


def is_true(node: cst.BaseExpression) -> bool:
    """True for the literal `True`."""
    return isinstance(node, cst.Name) and node.value == "True"


def without(call: cst.Call, index: int) -> cst.Call | None:
    """The call without one argument; None if a comment belongs to it, or if a positional argument follows it."""
    args = list(call.args)
    removed = args[index]
    positional = removed.keyword is None and any(arg.keyword is None for arg in args[index + 1 :])
    if positional or _comments(removed):
        return None
    before, after = args[:index], args[index + 1 :]
    if not after and before:
        before[-1] = before[-1].with_changes(comma=removed.comma, whitespace_after_arg=removed.whitespace_after_arg)
    changed = call.with_changes(args=[*before, *after])
    if not before and not after:
        changed = changed.with_changes(whitespace_before_args=cst.SimpleWhitespace(""))
    return changed if _comments(changed) == _comments(call) else None


def switched_off(call: cst.Call, index: int) -> cst.Call:
    """The call with `False` for one argument."""
    args: Sequence[cst.Arg] = call.args
    changed = args[index].with_changes(value=cst.Name("False"))
    return call.with_changes(args=[*args[:index], changed, *args[index + 1 :]])


def _comments(node: cst.CSTNode) -> int:
    """Number of comments inside a node."""
    return isinstance(node, cst.Comment) + sum(map(_comments, node.children))
