"""Writes whose value may be another part of the memory that they write."""

from __future__ import annotations

import ast

from fixinplace.detect.kinship import Kin, Kinship
from fixinplace.detect.mixing import keeps_layout
from fixinplace.detect.order import attached
from fixinplace.detect.values import Value, overlap
from fixinplace.model import Place


def reads_memory(frame: Kinship, place: Place, node: ast.expr | ast.stmt, op: str, target: ast.expr, old: Value,
                 value: Value, kin: Kin) -> bool:  # fmt: skip
    """True if a write may read elements of its own tensor that it has written by then, in an order that torch chooses.

    What is known to be a view of the written tensor by the names that the statement reads is the rewrite's business.
    """
    if not overlap(old.memory, value.memory):
        return False
    if place is Place.SUBSCRIPT:
        own = (each for each in _values(frame, node, target) if overlap(frame.peek(each).memory, old.memory))
        return not all(frame.is_of_family(each, target, kin) or frame.fit_together(each, target) for each in own)
    return place is not Place.SLOT and _reads_itself(frame, node, op, target, old, value)


def _values(frame: Kinship, node: ast.expr | ast.stmt, target: ast.expr) -> list[ast.expr]:
    """What is stored: the arguments of a call, or the right side of a statement."""
    if isinstance(node, ast.Call):
        return [*node.args, *(word.value for word in node.keywords)]
    return [getattr(node if isinstance(node, ast.AugAssign) else frame.root, "value", target)]


def _reads_itself(frame: Kinship, node: ast.AST, op: str, target: ast.expr, written: Value, value: Value) -> bool:
    """True if the write may read elements of its own tensor other than the one that it writes just then."""
    if not keeps_layout(op) and op != "Tensor.copy_":
        return True  # not element by element
    if not (written.view or value.view):
        return False
    read = node.args if isinstance(node, ast.Call) else [node.value] if isinstance(node, ast.AugAssign) else []
    read = [attached(one) for one in read]
    return any(ast.unparse(one) != ast.unparse(target) and not frame.fit_together(one, target) for one in read)
