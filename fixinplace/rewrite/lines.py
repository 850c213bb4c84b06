"""The text of statements that a rewrite adds or replaces."""

from __future__ import annotations

import re

import libcst as cst

from fixinplace.rewrite.binding import Refusal
from fixinplace.rewrite.reads import parse

_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_NAMES = ("value", "values", "new_value", "stored", "stored_value")


def is_dotted(target: str) -> bool:
    """True for names and attributes of names: what an assignment can bind without evaluating anything."""
    return _DOTTED.fullmatch(target) is not None


def binding(target: str) -> cst.Name | cst.Attribute | cst.Subscript | cst.Tuple:
    """A target as the left side of an assignment: a dotted name, or several (`v, i`), or a place of a container."""
    if "," not in target or target.endswith("]"):
        return expression(target)
    return cst.Tuple([cst.Element(expression(one)) for one in target.split(", ")], lpar=[], rpar=[])


def expression(target: str) -> cst.Name | cst.Attribute | cst.Subscript:
    """A dotted name, or a place of a container, as an expression."""
    if target.endswith("]"):
        found = cst.parse_expression(target)
        assert isinstance(found, cst.Subscript)
        return found
    head, *rest = target.split(".")
    node: cst.Name | cst.Attribute = cst.Name(head)
    for attribute in rest:
        node = cst.Attribute(node, cst.Name(attribute))
    return node


def assigned(target: str, code: str) -> str:
    """`target = code`, in parentheses where the code has line breaks that only its old surroundings allowed."""
    line = f"{target} = {code}"
    return line if is_statement(line) else checked(f"{target} = ({code})")


def is_statement(line: str) -> bool:
    """True if the text is exactly one statement."""
    try:
        return len(parse(line).body) == 1
    except SyntaxError:
        return False


def checked(line: str) -> str:
    """The line, if it is one statement; raises Refusal: what does not parse is never written."""
    if not is_statement(line):
        raise Refusal("no-safe-place", "the rewritten statement would not be valid here")
    return line


def fresh_name(text: str) -> str:
    """A name that the text does not use anywhere; raises Refusal."""
    free = (name for name in _NAMES if re.search(rf"\b{name}\b", text) is None)
    name = next(free, None)
    if name is None:
        raise Refusal("no-safe-place", "the stored value needs a name of its own, and the usual ones are taken")
    return name
