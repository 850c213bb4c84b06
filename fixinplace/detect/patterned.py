"""Parts under names that are put together: `self.add_module("bn" + str(i), ...)`, `self._modules["bn" + str(j)](x)`.

Note [Names put together]
    Two texts with one beginning and one end, and something between, lead to one another's parts: what is found under
    `"bn" + str(j)` is one of the parts that were put under `"bn" + str(i)`, or under any name that may spell the same.
    That no other part has a name that is computed to be the same is assumed and said, as for names that are a variable.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from fixinplace.detect.index import all_imports, dotted
from fixinplace.detect.kinds import Kind
from fixinplace.detect.scopes import assigned
from fixinplace.detect.values import Value, one_of
from fixinplace.walking import every

if TYPE_CHECKING:
    from fixinplace.detect.frame import Frame

_PLACE = "<~"


def owner_of_part(node: ast.AST | None) -> ast.expr | None:
    """`self` of `self._modules["bn" + str(i)]`, a part by its name as `getattr` gives it; None for all else."""
    match node:
        case ast.Subscript(value=ast.Attribute(value=ast.Name(id="self") as owner, attr="_modules"), ctx=ast.Load()):
            return owner
    return None


def put(frame: Frame, base: Value, what: re.Pattern[str] | None, value: Value) -> None:
    """A class keeps a part under a name of this pattern; see Note [Names put together]."""
    if what is not None:
        frame.program.index.note_attribute(base.name, f"{_PLACE}{what.pattern}", value)


def is_followed(frame: Frame, base: Value, what: re.Pattern[str] | None) -> bool:
    """True if all that reaches what a class keeps under names of this pattern goes by such names.

    What `getattr` is asked for elsewhere, `named.got_by_name` tells.
    """
    known = what is not None and is_open(what) and base.name in frame.program.index.classes
    return known and not is_read(frame, base, what)


def is_read(frame: Frame, base: Value, what: re.Pattern[str] | None) -> bool:
    """True if the file reads an attribute with a name of this pattern, unless that is another class's own."""
    index, tree = frame.program.index, frame.program.tree
    family = {info.name for info in (*index.lineage(base.name), *index.heirs(base.name))}
    others = (one for one in every(tree, ast.ClassDef) if one.name not in family)
    apart = {id(one) for cls in others for one in every(cls, ast.Attribute) if dotted(one.value) == "self"}
    libraries = {name for name, _ in all_imports(tree)}
    read = (one.attr for one in every(tree, ast.Attribute) if not (id(one) in apart or dotted(one.value) in libraries))
    return what is not None and any(map(what.fullmatch, read))


def may_reach(what: re.Pattern[str] | None, attribute: str) -> bool:
    """True if a name of the pattern, or any name if there is none, may lead to what an attribute stands for."""
    if what is None or what.fullmatch(attribute):
        return True
    return attribute.startswith(_PLACE) and _may_meet(attribute.removeprefix(_PLACE), what.pattern)


def found(frame: Frame, base: Value, what: re.Pattern[str] | None) -> Value | None:
    """One of the parts that a name of this pattern leads to; None if that is not told."""
    index = frame.program.index
    if what is None or not is_open(what) or base.name not in index.classes:
        return None
    index.ledger.unrepeatable()
    parts: list[Value | None] = []
    put_so = False
    for info in (*index.lineage(base.name), *index.heirs(base.name)):
        if any(what.fullmatch(name) for name in (*info.methods, *assigned(info.node))):
            return None
        for attr in {*info.attrs, *info.known}:
            spelled = attr.startswith(_PLACE) and _may_meet(attr.removeprefix(_PLACE), what.pattern)
            put_so |= attr == f"{_PLACE}{what.pattern}"
            if spelled or what.fullmatch(attr):
                parts.append(info.attribute(attr))
    known = [one for one in parts if one is not None and one.kind is Kind.MODULE]
    return one_of(known) if put_so and len(known) == len(parts) else None


def is_open(what: re.Pattern[str]) -> bool:
    """True for a name with a beginning, and one part that is open."""
    return what.pattern.count(".*") == 1 and not what.pattern.startswith(".*")


def is_begun(what: re.Pattern[str]) -> bool:
    """True for a name that is known as a whole, or how it begins and that one part of it is open."""
    return ".*" not in what.pattern or is_open(what)


def _may_meet(a: str, b: str) -> bool:
    """True if two patterns may spell one name, by what stands before the part that is open."""
    first, second = a.partition(".*")[0], b.partition(".*")[0]
    return first.startswith(second) or second.startswith(first)
