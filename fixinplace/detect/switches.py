"""Whether a value switches `inplace` on: `True` itself, a constant of the file, a parameter whose default it is.

Note [Switches]
    `nn.ReLU(inplace=INPLACE)` writes where `INPLACE` is true.  TRUE is the value of the literal, and of whatever is
    bound to it: names of the file, attributes, parameters by their defaults or by their callers in sight.  What is
    computed from it, or is something else on another way, is another value.  A name may always be bound otherwise by
    code that is not in sight, so only the literal itself is on for certain.
    `inplace=False` computes the same as either, as long as the caller does not look at what was written: a caller that
    does would have to be given the new tensor where the flag is on, and the old one where it is off.
"""

from __future__ import annotations

import ast
import enum

from fixinplace.catalogue import Writer
from fixinplace.detect.index import keyword
from fixinplace.detect.kinds import Kind
from fixinplace.detect.replacing import replace
from fixinplace.detect.values import NONE, NUMBER, STRING, TRUTH, Value

TRUE = replace(NUMBER, name="True")


class Switch(enum.Enum):
    """What a call is told about `inplace`."""

    ON = "on"
    PERHAPS = "perhaps"
    OTHER = "other"


def literal(value: object) -> Value:
    """What a constant is."""
    if value is None:
        return NONE
    if isinstance(value, (str, bytes)):
        return STRING
    return TRUE if value is True else TRUTH if value is False else NUMBER


def switched_by_default(node: ast.expr | None, named: Value | None) -> bool:
    """True for a default that is `True`; named: what a name that stands there means."""
    return is_switch(named) or (isinstance(node, ast.Constant) and node.value is True)


def is_switch(value: Value | None) -> bool:
    """True for a value that may be the literal `True`."""
    return value is not None and value.kind is Kind.NUMBER and value.name == TRUE.name


def switch_of(node: ast.Call, writer: Writer) -> ast.expr | None:
    """What is passed as `inplace`, by keyword or by position; None if nothing is, or if it cannot be told."""
    named = keyword(node, "inplace")
    place = writer.flag_position
    if named is not None or place is None or place >= len(node.args):
        return named
    before = node.args[: place + 1]
    return None if any(isinstance(one, ast.Starred) for one in before) else before[-1]


def is_spelled(node: ast.Call, value: ast.expr, writer: Writer) -> bool:
    """True for a switch that counts: a literal, or a name under a keyword or in a call of the class by its own name.

    Candidates are told by the same words, see Note [Candidates].
    """
    if isinstance(value, ast.Constant):
        return True
    last = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    own = last == writer.name.partition("(")[0].rpartition(".")[2]
    return isinstance(value, (ast.Name, ast.Attribute)) and (own or value not in node.args)
