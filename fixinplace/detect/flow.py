"""Branches, loops, `with` and `try`: which states can meet where.

Note [Ways out]
    A jump or an error leaves a body in the middle, at any depth.  `breaks` and `continues` keep the states of jumps
    for the loop that they belong to: a `break` goes past the loop's `else`.  Inside a `try`, and inside a context
    that may swallow errors, `watchers` collect the state between any two statements, nested ones included: a
    handler may begin from each.  A `finally` runs after all of them, and after jumps and returns too; what a
    `return` has evaluated by then is held by nobody's name, yet the caller will see it.

Note [First rounds]
    `for i in range(n): if i == 0: y = f(x) else: y += f(x)`, or with the test `y is None`: nothing is known of `y` in
    the first round, which never comes to the `+=`.  The way that it does not take is read from the second round on,
    whose state covers that of the first: what is thought to hold of the first round alone proves nothing.

Note [Rounds]
    `if i == j: y = y + x[j]` with `else: y = y + f(x[j])`, then `outs.append(y)`: after the second round the list may
    hold what either line made, and either branch makes the storage of its own line alone an earlier one, see
    Note [Memory].  So it would seem that `outs` holds this round's `y`.  At the end of a branch in a loop, and of a
    round, all that only lists, dicts and code out of sight hold, of what the round made, belongs to the past: no name
    that is read later can be the same storage and a new one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from fixinplace.detect.anatomy import SUSPENDING
from fixinplace.detect.assumed import NOTHING, Assumed
from fixinplace.detect.index import dotted
from fixinplace.detect.kinds import Kind
from fixinplace.detect.listed import LIST
from fixinplace.detect.liveness import Names
from fixinplace.detect.replacing import replace
from fixinplace.detect.rounds import SEVERAL, is_several
from fixinplace.detect.state import Opening, State
from fixinplace.detect.stores import Stores
from fixinplace.detect.values import NOWHERE, OTHER, UNKNOWN, Value, element, memories, rows
from fixinplace.detect.walked import counter, first_of, walked, with_first
from fixinplace.walking import walk

_ROUNDS = 6
_LEAVING = (ast.Return, ast.Raise, ast.Continue, ast.Break)


class Flow(Stores):
    """Runs bodies on the abstract state; see Note [Ways out]."""

    def run(self, body: Iterable[ast.stmt]) -> None:
        """Read statements one after the other."""
        for statement in body:
            self.watch()
            self.root = statement
            self.later = self.liveness.after(statement)
            self.statement(statement)
            self.grown_up(statement)
        self.watch()

    def grown_up(self, statement: ast.stmt) -> None:
        """Behind its last statement, what grew under an attribute is the attribute; see Note [Parts in the making]."""
        for text in [name for name, last in self.growing.items() if last is statement]:
            target = ast.parse(text, mode="eval").body
            value = self.state.names.pop(text, UNKNOWN)
            self.root = statement  # and no longer what stands last in it
            assert isinstance(target, ast.Attribute)
            self.store_attribute(target, value)

    def run_each(self, body: list[ast.stmt], readings: Sequence[Assumed]) -> None:
        """Read a body once for each thing that may be assumed; see Note [Switches of a constructor]."""
        entry, ends = self.state, []
        for self.assumed in readings:
            self.state = entry.copy()
            self.run(body)
            ends.append(self.state)
        self.assumed = NOTHING
        self.state = joined_states(ends)

    def statement(self, node: ast.stmt) -> None:
        """One statement."""
        raise NotImplementedError

    def watch(self) -> None:
        """Show the state to every `try` around this place."""
        for seen in self.watchers:
            seen.append(self.state.copy())

    def watched_run(self, body: list[ast.stmt]) -> list[State]:
        """Run a body that an error may leave anywhere; the states between its statements."""
        seen: list[State] = []
        self.watchers.append(seen)
        self.run(body)
        self.watchers.pop()
        return [*seen, self.state.copy()]

    def header(self, statement: ast.stmt, node: ast.expr) -> Value:
        """Evaluate the expression in a compound statement's header."""
        self.root = node
        self.later = self.liveness.after(statement)
        return self.evaluate(node)

    def jump(self, node: ast.Break | ast.Continue) -> None:
        """Keep the state for the end, or the head, of the loop."""
        (self.breaks if isinstance(node, ast.Break) else self.continues).append(self.state.copy())

    def branches(self, bodies: list[list[ast.stmt]], evaluating: int | None = None) -> None:
        """Run each body from here; what falls through is joined.

        evaluating: which of two bodies runs in evaluation alone, where callers switch grad mode off.
        """
        entry, grad, seldom, ends = self.state, self.grad, self.seldom_on, []
        later = self.later
        for number, body in enumerate(bodies):
            self.state, self.grad = entry.copy(), grad
            self.seldom_on = seldom or number == evaluating
            self.run(body)
            if self.loops:
                self.leave_past(later)
            if not (body and isinstance(body[-1], _LEAVING)):
                ends.append(self.state)
        trained = bodies[1 - evaluating] if evaluating is not None else []
        self.seldom_on = seldom or (bool(trained) and isinstance(trained[-1], (ast.Return, ast.Raise)))
        self.grad = grad
        self.state = joined_states(ends) if ends else entry

    def repeat(self, node: ast.For | ast.AsyncFor) -> None:
        """A `for` loop."""
        source = self.header(node, node.iter)
        item, outside = element(source), self.iterating
        self.iterating |= rows(source) - self.each_once(node.iter)
        self.loop(node, node.target, replace(item, iterated=True) if source.tensor else item, self.first(node, item))
        self.iterating = outside

    def first(self, node: ast.For | ast.AsyncFor, item: Value) -> Value | None:
        """What the first round of a loop is given, if that is told apart; see Note [Walked lists]."""
        modules = walked(node)
        known = first_of(self.peek(modules)) if modules is not None and not self.is_shadowed(node.iter) else None
        return with_first(node, item, known) if known is not None else None

    def is_shadowed(self, node: ast.expr) -> bool:
        """True for a call of what has the name of a builtin, and may be none."""
        return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not self.is_builtin(node.func.id)

    def loop(
        self,
        node: ast.For | ast.AsyncFor | ast.While,
        target: ast.expr | None,
        item: Value,
        first: Value | None = None,
    ) -> None:
        """Run a body until the state no longer changes, at most `_ROUNDS` times, then the `else`.

        first: what the first round is given, which is read by itself then.
        """
        self.loops += 1
        start, self.loop_start = self.loop_start, self.program.part.span(node.body[0]).start
        outside = self.breaks, self.continues
        self.breaks, self.continues = [], []
        opening, before = self.opening, None
        counts = counter(node) if isinstance(node, ast.For) and not self.is_shadowed(node.iter) else ""
        for number in range(_ROUNDS):
            self.opening = Opening(counts, apart=first is not None) if number == 0 else None
            entry = self.state.copy()
            if target is not None:
                self.assign(target, first if number == 0 and first is not None else item)
            self.run(node.body)
            self.state = joined_states([self.state, *self.continues])
            self.leave_past(self.liveness.after(node))
            if isinstance(node, ast.While):
                self.header(node, node.test)
            if self.opening is not None and self.opening.apart:
                before = entry
                continue
            ended, self.state = self.state, entry.join(self.state)
            if self.state == entry and not (self.opening is not None and self.opening.skipped):
                break
        else:
            self.unsettled = True
        if isinstance(node, ast.For) and self.has_rounds(node.iter):
            self.state = ended if before is None else self.state
        elif before is not None:
            self.state = before.join(self.state)
        breaks = self.breaks
        self.breaks, self.continues = outside
        self.loop_start, self.opening = start, opening
        self.loops -= 1
        self.run(node.orelse)
        self.state = joined_states([self.state, *breaks])

    def leave_past(self, later: Names) -> None:
        """Make earlier what a round made, and no name that is read later stands for any more; see Note [Rounds]."""
        state = self.state
        named = [v for k, v in state.names.items() if k in later and v.kind not in (Kind.LIST, Kind.DICT)]
        memory, maybe = memories((*named, *state.attrs.values()))
        in_use = {one.label for one in memory | maybe}
        held = (v.memory | v.maybe for v in state.names.values() if v.kind in (Kind.LIST, Kind.DICT))
        made = {m.label for m in NOWHERE.union(state.escapes, *held) if self.is_of_round(m)}
        for label in sorted(made - in_use):
            state.pass_by(label)

    def taken_first(self, test: ast.expr) -> bool | None:
        """Which way the first round of a loop takes for certain; see Note [First rounds]."""
        if self.opening is None:
            return None
        match test:
            case ast.Compare(left=ast.Name(id=name), ops=[op], comparators=[ast.Constant(value=None)]):
                unset = name in self.state.names and self.state.names[name].kind is Kind.NONE
                taken = isinstance(op, ast.Is) if unset and isinstance(op, ast.Is | ast.IsNot) else None
            case ast.Compare(left=ast.Name(id=name), ops=[op], comparators=[ast.Constant(value=0)]):
                counts = name == self.opening.counter and isinstance(op, ast.Eq | ast.NotEq | ast.Gt)
                taken = isinstance(op, ast.Eq) if counts else None
            case _:
                taken = None
        self.opening.skipped |= taken is not None
        return taken

    def has_rounds(self, node: ast.expr) -> bool:
        """True if what a loop goes over is not empty."""
        match node:
            case ast.Call(func=ast.Name(id=name)) if not self.is_builtin(name):
                return False
            case ast.Call(func=ast.Name(id="range"), args=[ast.Constant(value=int(count))], keywords=[]):
                return count > 0
            case ast.Call(
                func=ast.Name(id="range"), args=[ast.Call(func=ast.Name(id="len"), args=[ast.Attribute() as one])]
            ):
                return self.is_builtin("len") and self.has_rounds(one)
            case ast.Call(func=ast.Name(id="range"), args=[ast.Constant(value=1), count], keywords=[]):
                several = is_several(self.body, count, self.program.tree, self.above)
                self.program.gives |= {SEVERAL} if several else set()
                return several
            case ast.Call(func=ast.Name(id="enumerate" | "reversed"), args=[one], keywords=[]):
                return self.has_rounds(one)
            case ast.Call(func=ast.Name(id="zip"), args=[_, *_] as args, keywords=[]):
                return all(map(self.has_rounds, args))
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                return any(not isinstance(one, ast.Starred) for one in elements)
            case ast.Attribute():
                value = self.peek(node)
                return value.name == LIST and value.exact and value.order is not None and not value.order.empty
        return False

    def within(self, node: ast.With | ast.AsyncWith) -> None:
        """A `with` block; some switch grad mode."""
        grad, trying, unknown = self.grad, self.trying, self.unknown_contexts
        if self.shape.suspended and not all(self.leaves_mode(item.context_expr) for item in node.items):
            self.leaks(node)
        for item in node.items:
            self.trying += expects_errors(item.context_expr)
            value = self.header(node, item.context_expr)
            self.grad = self.switched(item.context_expr, self.grad)
            self.unknown_contexts += not self.is_known_context(item.context_expr)
            if item.optional_vars is not None:
                self.assign(item.optional_vars, UNKNOWN.with_memory(value.memory, value.maybe))
        if self.unknown_contexts > unknown:
            self.state = joined_states(self.watched_run(node.body))
        else:
            self.run(node.body)
        self.grad, self.trying, self.unknown_contexts = grad, trying, unknown

    def leaks(self, node: ast.With | ast.AsyncWith) -> None:
        """Note that whoever consumes this generator, or runs while this coroutine waits, does so in its grad mode."""
        if isinstance(node, ast.AsyncWith) or any(isinstance(n, SUSPENDING) for s in node.body for n in walk(s)):
            self.program.doubt("a function is suspended inside a context that may switch grad mode", everywhere=True)

    def leaves_mode(self, node: ast.expr) -> bool:
        """True for contexts that have nothing to do with grad mode."""
        raise NotImplementedError

    def switched(self, node: ast.expr, grad: bool) -> bool:
        """Grad mode after entering or calling `node`."""
        raise NotImplementedError

    def is_known_context(self, node: ast.expr) -> bool:
        """True for contexts that cannot change grad mode without our seeing it."""
        raise NotImplementedError

    def attempt(self, node: ast.Try | ast.TryStar) -> None:
        """A handler may see any state of the body, and a `finally` any state at all."""
        outside = self.breaks, self.continues
        everything: list[State] = []
        if node.finalbody:
            self.breaks, self.continues = [], []
            self.watchers.append(everything)
            self.finals += 1
        self.caught(node)
        if not node.finalbody:
            return
        self.finals -= 1
        self.watchers.pop()
        self.state = joined_states([self.state, *everything, *self.breaks, *self.continues])
        self.run(node.finalbody)
        jumps = self.breaks, self.continues
        self.breaks, self.continues = outside
        for kept, inner in zip(outside, jumps, strict=True):
            kept.extend([self.state.copy()] if inner else [])

    def caught(self, node: ast.Try | ast.TryStar) -> None:
        """The body, its `else` and its handlers."""
        self.trying += bool(node.handlers)
        thrown = joined_states([self.state.copy(), *self.watched_run(node.body)])
        self.trying -= bool(node.handlers)
        self.run(node.orelse)
        ends = [self.state]
        for handler in node.handlers:
            self.state = thrown.copy()
            if handler.name:
                self.bind(handler.name, OTHER)
            self.run(handler.body)
            ends.append(self.state)
        self.state = joined_states(ends)

    def matched(self, node: ast.Match) -> None:
        """Patterns bind names, and guards may do anything."""
        self.escape(self.header(node, node.subject), None, "a pattern may bind it to another name", node.subject)
        for name in (n for case in node.cases for n in pattern_names(case.pattern)):
            self.bind(name, UNKNOWN)
        for case in node.cases:
            if case.guard is not None:
                before = self.state.copy()
                self.header(node, case.guard)
                self.state = before.join(self.state)
        self.branches([case.body for case in node.cases] + [[]])


def joined_states(states: list[State]) -> State:
    """What holds if any of the states may hold."""
    result = states[0]
    for state in states[1:]:
        result = result.join(state)
    return result


def expects_errors(node: ast.expr) -> bool:
    """True for `pytest.raises`, `suppress` and their like: an error that no longer comes is a change."""
    name = dotted(node.func).lower() if isinstance(node, ast.Call) else ""
    return "raises" in name or "suppress" in name


def pattern_names(pattern: ast.pattern) -> list[str]:
    """Names that a pattern binds."""
    nodes = walk(pattern)
    found = [n.name for n in nodes if isinstance(n, (ast.MatchAs, ast.MatchStar)) and n.name is not None]
    return found + [n.rest for n in walk(pattern) if isinstance(n, ast.MatchMapping) and n.rest is not None]
