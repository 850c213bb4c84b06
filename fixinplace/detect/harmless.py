"""Parts of a `Sequential` of which it is known that they neither keep nor write what they are called with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fixinplace import catalogue
from fixinplace.detect.chains import Chain
from fixinplace.detect.derived import SEQUENTIAL, as_layer
from fixinplace.detect.kinds import Kind
from fixinplace.detect.own_kind import is_supposed
from fixinplace.detect.placing import CONTAINERS, IDENTITY, entering, forward_of, leaving_each, returns_new
from fixinplace.detect.quiet import Fresh
from fixinplace.detect.values import ONE_OF, Value, chained, options

if TYPE_CHECKING:
    from fixinplace.detect.program import Program


def is_plain(program: Program, part: Value) -> bool:
    """True for a module that makes one tensor, or hands on what it is given, and neither keeps nor writes that."""
    part = as_layer(program.index, part)
    if part.kind is not Kind.MODULE:
        return False
    if part.name == ONE_OF:
        return all(is_plain(program, one) for one in options(part))
    if part.name == SEQUENTIAL:
        inner = chained(part)
        return inner is not None and all(is_plain(program, one) for one in inner.parts)
    if part.name in program.index.classes:
        summary = program.summary((forward_of(program, part.name), "forward"))
        idle = summary is not None and not summary.keeps and not summary.writes
        return idle and not part.flags and returns_new(program, part)
    row = catalogue.result(part.name)
    one = row is not None and (row.kind is catalogue.Kind.TENSOR or part.name == IDENTITY)
    return one and part.name not in CONTAINERS


def not_plain(program: Program, part: Value) -> frozenset[Value]:
    """What in a part is not plain: the part, or some of those that a `Sequential` has."""
    inner = chained(part) if (part := as_layer(program.index, part)).name == SEQUENTIAL else None
    if inner is not None:
        return frozenset(each for one in inner.parts for each in not_plain(program, one))
    return frozenset() if is_plain(program, part) else frozenset((part,))


def writing_inside(program: Program, order: Chain[Value]) -> frozenset[Value]:
    """Parts of a class of this file that may write what they are called with, and are called with something new.

    They keep nothing, and return something new: whoever calls the whole sees nothing of it.
    """
    own = [one for one in order.parts if one.kind is Kind.MODULE and one.name in program.index.classes]
    tame = [one for one in own if not one.flags and returns_new(program, one) and _keeps_nothing(program, one)]
    leaving = leaving_each(program, order) if tame else {}
    return frozenset(one for one in tame if entering(one, order, leaving) is not Fresh.NO)


def _keeps_nothing(program: Program, part: Value) -> bool:
    summary = program.summary((forward_of(program, part.name), "forward"))
    return is_supposed(program, part.name) or (summary is not None and not summary.keeps)
