"""How the new value of an in-place call reaches its name.

Note [Value and effect]
    `f(x.add_(1))` has a value and an effect: the call is `x`, and `x` is changed.  Out of place the value
    stays, and the effect becomes an assignment where somebody may read `x` afterwards:
      HERE       `return f(x.add(1))`: nobody does, or the next link of a chain takes over;
      STATEMENT  `x.add_(1)` -> `x = x.add(1)`;
      TARGETS    `r = x.add_(1)` -> `x = r = x.add(1)`: one object under both names, as before;
      HOIST      `r = f(x.add_(1))` -> `x = x.add(1)` on a line before, and `x` stays where the call was.
    Whatever else the statement reads of `x` counts as afterwards, even if it stands to the left: `f(x, x.add_(1))`
    passes one object twice.  A hoisted write moves to the front of its statement, so nothing that computes may
    stand before it, except what is hoisted too, and it must run exactly once whenever the statement does.
    Where it cannot move, the name is bound in its place:
      NAMED      `while x.mul_(0.5).max() > 1:` -> `while (x := x.mul(0.5)).max() > 1:`
    That binds the new tensor when the old code wrote it, so whatever is evaluated later reads the new one.  What
    read `x` earlier must be done with it: `x + x.mul_(2)` adds a tensor to itself, and `x + (x := x.mul(2))` does
    not.  In a list comprehension each round must be done with the tensor, or the list would keep the one tensor of all
    rounds: `[x.add_(r).sum() for r in rows]`.  A generator runs when others ask, and a lambda binds names of its own.
"""

from __future__ import annotations

import ast
import copy
import enum
from collections.abc import Sequence
from dataclasses import dataclass

from fixinplace.detect.identity import is_fresh
from fixinplace.detect.index import dotted
from fixinplace.detect.order import always_runs, before, chain, is_lazy, others, runs_first
from fixinplace.model import Refused
from fixinplace.rewrite.reads import mentions, stores, walrus
from fixinplace.rewrite.setting import Setting
from fixinplace.walking import above, forgetting, walk


class Bind(enum.Enum):
    """See Note [Value and effect]."""

    HERE = "here"
    STATEMENT = "statement"
    TARGETS = "targets"
    HOIST = "hoist"
    NAMED = "named"


class Refusal(Exception):
    """A statement cannot be rewritten: the name of a refusal and the sentence a user reads."""

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(sentence)
        self.refused = Refused(name, sentence)


@dataclass(frozen=True, slots=True)
class Write:
    """An in-place call: its node, the expression it overwrites (None for `out=`), and the name of that."""

    node: ast.Call
    operand: ast.expr | None
    target: str | None
    read_later: bool
    apart: bool = False
    """The value of the call is another one: what is bound comes on a line of its own, and the call stays."""
    own: bool = False
    """Nobody else shares the memory that is written, and the value of the call is all of it."""


def bind(setting: Setting, writes: Sequence[Write], alone: bool = False) -> dict[ast.Call, Bind]:
    """Decide for all writes of a statement, given in order of evaluation; raises Refusal.

    alone: a value must not be bound by the statement itself, where a clone must come between the two.
    """
    decided = {write.node: _decide(setting, write, writes) for write in writes}
    if alone:
        decided = {node: Bind.HOIST if how is Bind.TARGETS else how for node, how in decided.items()}
    moving = dict(decided)
    _move_earlier_ones_too(writes, moving)
    moved: list[ast.AST] = []
    try:
        for write in writes:
            if moving[write.node] is Bind.HOIST:
                _check_hoist(setting, write, moved)
                moved.append(write.node)
    except Refusal:
        if alone or not all(_can_be_named(setting, one) for one in writes if decided[one.node] is Bind.HOIST):
            raise
        return {node: Bind.NAMED if how is Bind.HOIST else how for node, how in decided.items()}
    return moving


def _can_be_named(setting: Setting, write: Write) -> bool:
    """True if the name can be bound where the call stands."""
    root, target = setting.node, write.target or ""
    taken = isinstance(root, ast.Assert) or (isinstance(root, ast.AugAssign) and stores(target, root))
    if not write.own or not target.isidentifier() or taken:
        return False
    for child, parent in chain(write.node, root, above(root)):
        if isinstance(parent, ast.ListComp) and not setting.in_class and _ends_with_round(parent, child, target):
            continue
        if is_lazy(parent):
            return False
        if any(mentions(target, earlier) and not _is_done(earlier) for earlier in before(child, parent)):
            return False
    return True


def _ends_with_round(whole: ast.ListComp, child: ast.AST, target: str) -> bool:
    """True if each round of a comprehension is done with the tensor, and the name that it binds is none of its own."""
    own = any(stores(target, one.target) for one in whole.generators)
    given = any(mentions(target, part) for one in whole.generators for part in (one.iter, *one.ifs))
    return child is whole.elt and _is_done(whole.elt) and not own and not given


def _is_done(node: ast.AST) -> bool:
    """True if the value is a new tensor, for which the operands have been read."""
    holders = (ast.List, ast.Tuple, ast.Set, ast.Dict)
    return (
        isinstance(node, ast.expr)
        and is_fresh(node)
        and not any(isinstance(n, holders) or is_lazy(n) for n in walk(node))
    )


def _decide(setting: Setting, write: Write, writes: Sequence[Write]) -> Bind:
    root, target = setting.node, write.target
    if target is None:
        return Bind.HERE
    if write.apart:
        return Bind.HOIST
    bound = walrus(target, root)
    if bound is not None:
        return _decide_walrus(setting, write, target, bound)
    outer = next((w for w in writes if w.operand is write.node), None)
    if outer is not None:
        return Bind.HOIST if mentions(target, outer.node, skip=write.node) else Bind.HERE
    if isinstance(root, ast.Expr) and root.value is write.node:
        return Bind.STATEMENT
    assigned = isinstance(root, ast.Assign | ast.AnnAssign) and root.value is write.node
    if (assigned and _rebound(root, target)) or not _needed(setting, write, target):
        return Bind.HERE
    return Bind.TARGETS if assigned and isinstance(root, ast.Assign) and not stores(target, root) else Bind.HOIST


def _decide_walrus(setting: Setting, write: Write, target: str, bound: ast.NamedExpr) -> Bind:
    if bound.value is write.node and bound.target.id == target and not mentions(target, setting.node, skip=write.node):
        return Bind.HERE
    raise Refusal("evaluation-order", f"the statement binds `{bound.target.id}` a second time while it is evaluated")


def _rebound(root: ast.AST, target: str) -> bool:
    """True if the assignment binds the target before anything can read it."""
    targets = root.targets if isinstance(root, ast.Assign) else [root.target] if isinstance(root, ast.AnnAssign) else []
    for one in targets:
        if dotted(one) == target:
            return True
        if mentions(target, one):
            return False
    return False


def _needed(setting: Setting, write: Write, target: str) -> bool:
    """True if somebody may read the target after the write; attributes have readers that cannot be seen."""
    hidden = "." in target or "," in target
    if write.read_later or hidden or setting.repeated or _runs_again(setting.node, write.node, target):
        return True
    return mentions(target, setting.node, write.node, others(write.node, setting.node))


def _runs_again(root: ast.AST, node: ast.AST, target: str) -> bool:
    """True if the write is in a lambda or comprehension that meets the same target at every call or round."""
    for _, scope in chain(node, root, above(root)):
        match scope:
            case ast.Lambda(args=args):
                names = {a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs)}
                return target not in names
            case (
                ast.ListComp(generators=generators)
                | ast.SetComp(generators=generators)
                | ast.GeneratorExp(generators=generators)
                | ast.DictComp(generators=generators)
            ):
                return not stores(target, generators[-1].target)
    return False


def _move_earlier_ones_too(writes: Sequence[Write], decided: dict[ast.Call, Bind]) -> None:
    """A write that runs before a hoisted one is hoisted as well, so that both keep their order."""
    hoisted = [n for n, write in enumerate(writes) if decided[write.node] is Bind.HOIST]
    for number in range(max(hoisted, default=0)):
        write = writes[number]
        later = [writes[n] for n in hoisted if n > number]
        inside = any(write.node is part for other in later for part in walk(other.node))
        chained = any(w.operand is write.node for w in writes)
        if decided[write.node] is Bind.HERE and write.target is not None and not inside and not chained:
            decided[write.node] = Bind.HOIST


def _check_hoist(setting: Setting, write: Write, moved: list[ast.AST]) -> None:
    """Raise Refusal unless the write can move to the front of its statement."""
    root = setting.node
    if setting.before is None or isinstance(root, ast.Assert):
        raise Refusal("no-safe-place", f"`{write.target}` is read later, and no assignment can stand before this line")
    if not always_runs(write.node, root):
        raise Refusal("no-safe-place", f"`{write.target}` is read later, and the write may run never, or several times")
    if not _first(write, root, moved):
        raise Refusal("evaluation-order", f"something is computed before `{write.target}` is written in this line")


def _first(write: Write, root: ast.AST, moved: list[ast.AST]) -> bool:
    """True if nothing that computes runs before the write once the moved nodes are plain names."""
    memo: dict[int, ast.AST] = {}
    twin = copy.deepcopy(root, memo)
    names = {id(memo[id(m)]) for m in moved if id(m) in memo}
    node = memo[id(write.node)]
    assert isinstance(node, ast.Call)
    return runs_first(node, forgetting(_Names(names).visit(twin)), write.target or "")


class _Names(ast.NodeTransformer):
    """Puts a name where a moved call stood, and takes a method that is called for its object: to look it up is no look
    at the tensor, and the call itself comes after its arguments."""

    def __init__(self, moved: set[int]) -> None:
        self.moved = moved

    def visit(self, node: ast.AST) -> ast.AST:
        if id(node) in self.moved:
            return ast.Name("moved", ast.Load())
        visited: ast.AST = self.generic_visit(node)
        if isinstance(visited, ast.Call) and isinstance(visited.func, ast.Attribute):
            visited.func = visited.func.value
        return visited
