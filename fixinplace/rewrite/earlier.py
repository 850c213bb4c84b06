"""A write to a tensor that others hold by then: it is cloned before it is shared.

Note [Clones before sharing]
    In
        h = torch.sigmoid(self.a(x))
        skips.append(h)
        h += x
    the list has the written tensor, and is meant to.  No expression puts a new one there; but before the list got it,
    h alone held the tensor (Note [Born alone] in `detect/birth.py`), and `h = h.clone()` on that line changes nothing
    for anybody: what ops had kept until then keeps the old tensor, and all who share the memory share the clone's.
    The clone stands before the first statement that may share the tensor.  From there to the write all that the
    statements do with it is to share it: what computed with it would keep the clone, which the write then changes.
    Where such a clone stands there already, the write is finished code, also one that could be rewritten: what hindered
    that may have gone with another fix.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from fixinplace.detect.identity import makes_new
from fixinplace.detect.program import HELD, USED
from fixinplace.model import Edit, Fix, Found, Refused, Span
from fixinplace.rewrite.setting import joint
from fixinplace.rewrite.sharing import Region, handed_out
from fixinplace.rewrite.slots import FUNCTIONS, Slots, is_seen_within
from fixinplace.source import Text
from fixinplace.walking import above, every, functions

REASONS = ("container-slot", "live-alias", "live-view", "loop-variable", "quadratic-cost")
"""Why a write is refused that may be cured where its tensor comes from."""
_RULES = ("FIP101", "FIP103", "FIP104", "FIP105", "FIP106", "FIP109", "FIP113", "FIP114")
_BLOCKS = ("body", "orelse", "finalbody")


def may_be_shared(found: Found, outcome: Fix | Refused) -> bool:
    """True for a write to a tensor that one name held at first, and names that are known have got since.

    Where it can be rewritten as well, it is left alone if the clone stands there: see Note [Clones before sharing].
    """
    facts = found.facts
    if not (outcome.refusal in REASONS if isinstance(outcome, Refused) else facts.sharers):
        return False
    made = bool(facts.born) and min(facts.born) >= 0 and "" not in facts.sharers
    return made and found.site.rule in _RULES and {h.refusal for h in facts.hazards} <= {*REASONS}


def earlier(part: Text, tree: ast.Module, found: Sequence[Found]) -> Iterator[Slots]:
    """The tensors that can be cloned before they are shared; see Note [Clones before sharing]."""
    parents, cures = above(tree), dict[tuple[int, str], tuple[_Cure, list[Found]]]()
    for one in found:
        written = frozenset(each.site.statement for each in found if each.facts.born == one.facts.born)
        cure = _cure(part, tree, parents, one, written)
        if cure is not None:
            cures.setdefault((cure.start, cure.name), (cure, []))[1].append(one)
    for cure, sites in cures.values():
        line = f"{cure.name} = {cure.name}.clone()"
        edit = Edit(Span(cure.start, cure.start), line + joint(part, cure.start))
        yield Slots(tuple(sites), () if cure.stands else (edit,), (line,))


@dataclass(frozen=True, slots=True)
class _Cure:
    """Where a name's tensor is to be cloned, and whether it is already."""

    name: str
    start: int
    stands: bool


def apart(one: Found) -> Found:
    """The site without what the clone settles: every use of the tensor between its making and the write is known."""
    facts = one.facts
    return replace(
        one, facts=replace(facts, hazards=(), doubts=tuple(why for why in facts.doubts if why not in (HELD, USED)))
    )


def _cure(
    part: Text, tree: ast.Module, parents: Mapping[int, ast.AST], one: Found, written: frozenset[Span]
) -> _Cure | None:
    block, birth = _birth(part, tree, one)
    if birth is None:
        return None
    name, scope = _name(block[birth]), _scope(block[birth], parents)
    if isinstance(scope, ast.Module) and is_seen_within(scope, name):
        return None
    last = next(n for n, each in enumerate(block) if part.span(each).contains(one.site.statement))
    inner = block[birth + 1 : last + 1]
    first = next((n for n, each in enumerate(inner) if _may_share(each, name, parents)), len(inner))
    region = inner[first:]
    if len(region) < 2 and (not region or part.span(region[0]) == one.site.statement):
        return None
    before = block[birth : birth + 1 + first]
    told = {each.id for node in region for each in every(node, ast.Name)}
    local = frozenset(each.id for each in every(scope, ast.Name) if isinstance(each.ctx, ast.Store))
    own = local - handed_out(scope, region, parents)
    defined = frozenset(each.name for each in functions(tree))
    shares = all(map(Region(part, written, own, local, defined, {name}).shares, region))
    stands = _is_cloned(before, name)
    if not shares or not one.facts.sharers <= told or (not stands and _is_made_anew(before[-1], region[0], name)):
        return None
    return _Cure(name, part.span(region[0]).start, stands)


def _scope(node: ast.AST, parents: Mapping[int, ast.AST]) -> ast.AST:
    while not isinstance(node, (*FUNCTIONS, ast.Module)):
        node = parents[id(node)]
    return node


def _birth(part: Text, tree: ast.Module, one: Found) -> tuple[Sequence[ast.stmt], int | None]:
    """The statement that has made the tensor, as its place among others, one of which holds the write."""
    block: Sequence[ast.stmt] = tree.body
    while block:
        for number, each in enumerate(block):
            if isinstance(each, ast.Assign) and _makes(part, each, one.facts.born):
                after = part.span(each).end <= one.site.statement.start
                return block, number if after and not any(every(each, ast.NamedExpr)) else None
        around = next((each for each in block if part.span(each).contains(one.site.statement)), None)
        inner = _blocks(around) if around is not None else ()
        block = next((b for b in inner if any(part.span(e).contains(one.site.statement) for e in b)), ())
    return (), None


def _blocks(node: ast.AST) -> Iterator[Sequence[ast.stmt]]:
    """The lists of statements of a compound statement, those of its handlers and cases included."""
    for below in (node, *getattr(node, "handlers", ()), *getattr(node, "cases", ())):
        yield from (block for name in _BLOCKS if isinstance(block := getattr(below, name, None), list))


def _makes(part: Text, node: ast.Assign, born: frozenset[int]) -> bool:
    span = part.span(node.value)
    return isinstance(node.targets[0], ast.Name) and all(span.start <= place < span.end for place in born)


def _name(node: ast.stmt) -> str:
    assert isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    return node.targets[0].id


def _is_cloned(before: Sequence[ast.stmt], name: str) -> bool:
    """True if what stands right before clones the tensor; other names may be cloned there as well."""
    for node in reversed(before):
        match node:
            case ast.Assign(targets=[ast.Name(id=bound)], value=ast.Call()) if (
                ast.unparse(node.value) == f"{bound}.clone()"
            ):
                if bound == name:
                    return True
            case _:
                return False
    return False


def _may_share(node: ast.stmt, name: str, parents: Mapping[int, ast.AST]) -> bool:
    """True unless all that a statement does with the tensor is to compute something new."""
    uses = [each for each in every(node, ast.Name) if each.id == name]
    return not all(isinstance(each.ctx, ast.Load) and makes_new(each, parents) for each in uses)


def _is_made_anew(made: ast.stmt, first: ast.stmt, name: str) -> bool:
    """True for `h = h + 1` and then `row = h[0]`, which a rewrite leaves: what it makes anew belongs to its edit."""
    read = {each.id for each in every(made.value, ast.Name)} if isinstance(made, ast.Assign) else set[str]()
    match first:
        case ast.Assign(targets=[ast.Name(id=bound)]):
            return not read.isdisjoint((name, bound))
        case ast.Assign(targets=[ast.Subscript(slice=ast.Constant(value=int()))]):
            return name in read
    return False
