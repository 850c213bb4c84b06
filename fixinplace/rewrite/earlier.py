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
    Where such a clone stands there already, the write is finished code.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from fixinplace.detect.identity import makes_new
from fixinplace.detect.index import dotted
from fixinplace.detect.program import HELD, USED
from fixinplace.model import Edit, Fix, Found, Refused, Span
from fixinplace.rewrite.guarded import is_view
from fixinplace.rewrite.setting import joint
from fixinplace.rewrite.slots import FUNCTIONS, Slots
from fixinplace.source import Text
from fixinplace.walking import above, children, every, walk

REASONS = ("container-slot", "live-alias", "live-view", "loop-variable", "quadratic-cost")
"""Why a write is refused that may be cured where its tensor comes from."""
_RULES = ("FIP101", "FIP103", "FIP104", "FIP105", "FIP106", "FIP109", "FIP113", "FIP114")
_PUTS = ("append", "appendleft", "add", "insert", "extend")
_DISPLAYS = ast.List | ast.Tuple | ast.Set | ast.Dict
_LOOKS = ("shape", "dtype", "device", "ndim", "size", "dim", "numel", "detach", "item")
"""What keeps nothing of the tensor for backward."""
_BLOCKS = ("body", "orelse", "finalbody")


def may_be_shared(found: Found, outcome: Fix | Refused) -> bool:
    """True for a refused write to a tensor that one name held at first, and names that are known have got since."""
    facts = found.facts
    if not isinstance(outcome, Refused) or outcome.refusal not in REASONS:
        return False
    made = bool(facts.born) and min(facts.born) >= 0 and "" not in facts.sharers
    return made and found.site.rule in _RULES and {h.refusal for h in facts.hazards} <= {*REASONS}


def earlier(part: Text, tree: ast.Module, found: Sequence[Found]) -> Iterator[Slots]:
    """The tensors that can be cloned before they are shared; see Note [Clones before sharing]."""
    parents, cures = above(tree), dict[int, tuple[_Cure, list[Found]]]()
    for one in found:
        written = frozenset(each.site.statement for each in found if each.facts.born == one.facts.born)
        cure = _cure(part, tree, parents, one, written)
        if cure is not None:
            cures.setdefault(cure.start, (cure, []))[1].append(one)
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
    name = _name(block[birth])
    last = next(n for n, each in enumerate(block) if part.span(each).contains(one.site.statement))
    inner = block[birth + 1 : last + 1]
    first = next((n for n, each in enumerate(inner) if _may_share(each, name, parents)), len(inner))
    region = inner[first:]
    if len(region) < 2 and (not region or part.span(region[0]) == one.site.statement):
        return None
    before = block[birth : birth + 1 + first]
    told = {each.id for node in region for each in every(node, ast.Name)}
    shares = all(map(_Region(part, written, {name}, set()).shares, region))
    if not shares or not one.facts.sharers <= told or _is_made_anew(before[-1], region[0], name):
        return None
    return _Cure(name, part.span(region[0]).start, _is_cloned(before, name))


def _birth(part: Text, tree: ast.Module, one: Found) -> tuple[Sequence[ast.stmt], int | None]:
    """The statement that has made the tensor, as its place among others, one of which holds the write."""
    for node in walk(tree):
        for block in (getattr(node, field, None) for field in _BLOCKS):
            if not isinstance(block, list) or not any(part.span(n).contains(one.site.statement) for n in block):
                continue
            for number, each in enumerate(block):
                if isinstance(each, ast.Assign) and _makes(part, each, one.facts.born):
                    after = part.span(each).end <= one.site.statement.start
                    return block, number if after and not any(every(each, ast.NamedExpr)) else None
    return (), None


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


@dataclass(frozen=True, slots=True)
class _Region:
    """What stands between the clone and a write.

    written: the statements that write the tensor.  names: who is the tensor, or a view of it, or a display of such.
    held: the containers that have got it.
    """

    part: Text
    written: frozenset[Span]
    names: set[str]
    held: set[str]

    def shares(self, node: ast.stmt) -> bool:
        """True if a statement does nothing with the tensor but to share it, and to write it where it must."""
        if self.part.span(node) in self.written:
            return self.writes(node)
        if not self.speaks_of(node) and not (isinstance(node, ast.Assign) and self.is_got(node.value)):
            return not isinstance(node, (*FUNCTIONS, ast.ClassDef))
        match node:
            case ast.Assign(targets=[ast.Name(id=bound)], value=value) if self.is_shared(value):
                (self.held if isinstance(value, _DISPLAYS) else self.names).add(bound)
                return True
            case ast.Assign(targets=[ast.Tuple(elts=parts)], value=ast.Name(id=holder)) if holder in self.held:
                return self.takes(parts)
            case ast.Assign(targets=[ast.Subscript(value=holder, slice=key)], value=value):
                return self.puts(holder, [value]) and not self.speaks_of(key)
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=holder, attr=attr), args=given, keywords=[])):
                return attr in _PUTS and self.puts(holder, given)
            case ast.If(test=header, body=body, orelse=rest) | ast.While(test=header, body=body, orelse=rest):
                return not self.speaks_of(header) and all(map(self.shares, (*body, *rest)))
            case ast.For(target=target, iter=header, body=body, orelse=[]):
                return self.goes_over(target, header) and all(map(self.shares, body))
            case ast.Return():
                return True  # nothing is written behind it
        return False

    def goes_over(self, target: ast.expr, header: ast.expr) -> bool:
        """True for a loop that has nothing to do with the tensor, and for one over what has got it."""
        match header, target:
            case ast.Call(func=ast.Name(id="enumerate"), args=[over]), ast.Tuple(elts=[ast.Name(), each]):
                return self.goes_over(each, over)
            case ast.Call(func=ast.Name(id="zip"), args=several), ast.Tuple(elts=parts) if len(several) == len(parts):
                return all(map(self.goes_over, parts, several))
            case ast.Name(id=name), _ if name in self.held:
                return self.takes([target])
        return not self.speaks_of(header) and not self.speaks_of(target)  # over a tensor torch takes no write

    def takes(self, targets: Sequence[ast.expr]) -> bool:
        """Names get what was held: tensors, or lists of such."""
        for each in targets:
            match each:
                case ast.Name(id=name):
                    self.names.add(name)
                case ast.Starred(value=ast.Name(id=name)):
                    self.held.add(name)
                case _:
                    return False
        return True

    def puts(self, holder: ast.expr, given: Sequence[ast.expr]) -> bool:
        """True if something that is no tensor of the region gets tensors of it."""
        if not dotted(holder) or any(each.id in self.names for each in every(holder, ast.Name)):
            return False
        self.held.update([holder.id] if isinstance(holder, ast.Name) else [])
        return all(map(self.is_shared, given))

    def writes(self, node: ast.stmt) -> bool:
        """True for a write on a line of its own whose operands are other tensors."""
        match node:
            case (
                ast.AugAssign(target=target, value=value) | ast.Assign(targets=[ast.Subscript() as target], value=value)
            ):
                return self.is_got(target) and not self.speaks_of(value)
            case ast.Expr(value=ast.Call(func=function, args=given, keywords=words)):
                operands = [*given, *(word.value for word in words)]
                if isinstance(function, ast.Attribute) and self.speaks_of(function.value):
                    operands.insert(0, function.value)
                return (
                    bool(operands) and is_view(operands[0], self.names) and not any(map(self.speaks_of, operands[1:]))
                )
        return False

    def is_shared(self, node: ast.expr) -> bool:
        """True for a name, a view, a display of such, and for what does not speak of the tensor at all."""
        match node:
            case ast.List(elts=inner) | ast.Tuple(elts=inner) | ast.Set(elts=inner) | ast.Dict(values=inner):
                return all(map(self.is_shared, inner))
            case ast.IfExp(test=test, body=body, orelse=rest):
                return not self.speaks_of(test) and self.is_shared(body) and self.is_shared(rest)
        return self.is_got(node) or not self.speaks_of(node)

    def is_got(self, node: ast.expr) -> bool:
        """True for the tensor and what has got it, and for a view of such."""
        return is_view(node, self.names | self.held)

    def speaks_of(self, node: ast.AST) -> bool:
        """True if the tensor, or what has got it, is mentioned, other than to ask for its size or its numbers."""
        match node:
            case ast.Attribute(value=ast.Name(), attr=attr) if attr in _LOOKS:
                return False
            case ast.Name(id=name):
                return name in self.names or name in self.held
        return any(map(self.speaks_of, children(node)))


def _is_made_anew(made: ast.stmt, first: ast.stmt, name: str) -> bool:
    """True for `h = h + 1` and then `row = h[0]`, which a rewrite leaves: what it makes anew belongs to its edit."""
    read = {each.id for each in every(made.value, ast.Name)} if isinstance(made, ast.Assign) else set[str]()
    match first:
        case ast.Assign(targets=[ast.Name(id=bound)]):
            return not read.isdisjoint((name, bound))
        case ast.Assign(targets=[ast.Subscript(slice=ast.Constant(value=int()))]):
            return name in read
    return False
