"""What callers see of a parameter that is written, and how a new tensor could come back to them.

Note [Callers in sight]
    A write to a parameter is seen by whoever holds the argument.  Of a function whose every call stands in this file
    (see `Index.closed`) that can be told: if nobody looks at any argument after its call, the write may go; if some
    call passes a name of its own that is read later, the function can return the new tensor, and the call bind it,
    as an in-place method would be said.  A call that passes what others hold as well, or two views of one tensor,
    forbids both.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from fixinplace.detect.frame import Frame
from fixinplace.detect.index import parameter_names
from fixinplace.detect.kinds import Kind
from fixinplace.detect.laid import ASKS
from fixinplace.detect.links import Link, chain, rooted
from fixinplace.detect.liveness import Function, Names
from fixinplace.detect.program import Key, Observation
from fixinplace.detect.roles import is_local
from fixinplace.detect.values import Value, overlap
from fixinplace.detect.writes import Writes
from fixinplace.model import Call, Edit, Place, Span
from fixinplace.source import Text
from fixinplace.walking import every, remembered, walk


class Callers(Writes):
    """Records what becomes of arguments; see Note [Callers in sight]."""

    def note_exposed(self, node: ast.Call, key: Key, function: Function, given: dict[str, Value]) -> None:
        """Remember who looks at the arguments of a call, and whether it could bind a new tensor to them."""
        names = parameter_names(function)
        nodes = dict(zip(names, node.args, strict=False)) | {k.arg: k.value for k in node.keywords if k.arg}
        start = self.program.part.span(node).start
        for name, value in given.items():
            shared = any(overlap(value.memory, other.memory) for each, other in given.items() if each != name)
            shared = shared or self.deferring  # a lambda binds nothing
            seen = shared or self._is_seen_later(node, nodes.get(name), value)
            bound = None if shared or key == self.place.key else self._binding_call(node, nodes.get(name), value, seen)
            self.program.note_handed(key, name, start, bound, seen)
            if value.tensor and self._is_looked_at(node, nodes.get(name)):
                self.program.note_looker(key, name, self.place.name)

    def _is_seen_later(self, node: ast.Call, argument: ast.expr | None, value: Value) -> bool:
        """True unless nobody but the called function can look at an argument once the call has begun."""
        if value.kind in (Kind.NUMBER, Kind.STRING, Kind.SIZE, Kind.NONE):
            return False
        own = argument.id if isinstance(argument, ast.Name) else ""
        if argument is None or own in self.reads_after(node) | self.captured:
            return True
        return not self._is_alone(node, argument, value)

    def _is_looked_at(self, node: ast.Call, argument: ast.expr | None) -> bool:
        """True if the caller certainly reads elements of what it has passed, by its name or that of its base."""
        link = chain(argument, self) if argument is not None else None
        names = {link.base, rooted(self.state.links, link).base} if link is not None else set[str]()
        names &= self.reads_after(node, self.root)
        end = (node.end_lineno or 0, node.end_col_offset or 0)
        inside = set[int]() if self.loops else {id(one) for one in walk(node)}
        reads = [
            one for each in self.body for one in every(each, ast.Name) if one.id in names and id(one) not in inside
        ]
        later = (one for one in reads if self.loops or (one.lineno, one.col_offset) > end)
        return any(isinstance(one.ctx, ast.Load) and not self._asks(one) for one in later)

    def _asks(self, node: ast.Name) -> bool:
        """True for `x.shape`, `x.grad` and `x is None`, which say the same where the write has gone."""
        parent = self.above.get(id(node))
        of_identity = isinstance(parent, ast.Compare) and isinstance(parent.ops[0], ast.Is | ast.IsNot)
        return of_identity or (isinstance(parent, ast.Attribute) and parent.attr in (*ASKS, "grad"))

    def _is_alone(self, node: ast.Call, argument: ast.expr, value: Value) -> bool:
        """True if nobody but the argument itself holds the storage."""
        if not is_local(value.memory) or value.maybe or value.leaf:
            return False
        probe = Observation(node, self.root, "", "", "", "")
        self.others(probe, value, argument, node)
        return not (probe.hazards or probe.doubts or overlap(value.memory, self.iterating))

    def _binding_call(self, node: ast.Call, argument: ast.expr | None, value: Value, seen: bool) -> Call | None:
        """The call as one that binds what it passes to a new tensor, None if it cannot."""
        if argument is None or not value.tensor:
            return None
        part = self.program.part
        span, usage = part.span(node), self.usage(node, argument)
        if not seen:
            return Call(span, self.root_span(), "", Place.TEMPORARY, usage, False, argument=part.span(argument))
        if not isinstance(argument, ast.Name) or not self.binds(argument.id) or argument.id in self.captured:
            return None
        if self.trying or self.finals or self.unknown_contexts:  # an error after the write would leave the old one
            return None
        if value.view or not self._is_alone(node, argument, value):
            return None
        later = argument.id in self.reads_after(node)
        return Call(span, self.root_span(), argument.id, Place.NAME, usage, later, argument=part.span(argument))


def hands(frame: Frame, function: Function) -> dict[str, tuple[Edit, ...]]:
    """Parameters that a function returns on every way out, or could, with the edits that make it do so."""
    returns, rebound = ways_out(function)
    kept = [name for name in parameter_names(function) if name not in rebound]
    if all(map(_gives_nothing, returns)):
        return {name: edits for name in kept if (edits := _returning(frame.program.part, function, returns, name))}
    if returns[-1] is not function.body[-1]:
        return {}
    return {name: () for name in kept if all(_gives(n.value, name, frame) for n in returns)}


_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


@remembered
def ways_out(function: Function) -> tuple[tuple[ast.Return, ...], Names]:
    """The function's own `return` statements in order, and the names bound by more than augmented assignments."""
    inner = {id(m) for kind in _SCOPES for n in every(function, kind) if n is not function for m in walk(n)}
    augmented = {id(n.target) for n in every(function, ast.AugAssign) if id(n) not in inner}
    bound = (n for n in every(function, ast.Name) if type(n.ctx) is not ast.Load and id(n) not in inner)
    found = [n for n in every(function, ast.Return) if id(n) not in inner]
    returns = tuple(sorted(found, key=lambda n: (n.lineno, n.col_offset)))
    return returns, frozenset(n.id for n in bound if id(n) not in augmented)


def _gives(value: ast.expr | None, name: str, frame: Frame) -> bool:
    """True if the value is the parameter itself, perhaps after in-place methods."""
    assert isinstance(frame, Writes)
    return value is not None and chain(value, frame) == Link(name)


def _gives_nothing(node: ast.Return) -> bool:
    return node.value is None or (isinstance(node.value, ast.Constant) and node.value.value is None)


def _returning(part: Text, function: Function, returns: Sequence[ast.Return], name: str) -> tuple[Edit, ...]:
    """The edits by which a function that returns nothing returns a parameter on every way out; none if it cannot.

    A `finally` may write after a `return` has looked: no tensor goes back past one.
    """
    last = _last_line(part, function) if function.body[-1] not in returns else ()
    late = any(isinstance(one, ast.Try | ast.TryStar) and one.finalbody for one in walk(function))
    if last is None or (returns and late):
        return ()
    ends = tuple(Edit(part.span(one), f"return {name}") for one in returns)
    return (*_told(part, function, name), *ends, *(Edit(span, f"{joint}return {name}") for span, joint in last))


def _told(part: Text, function: Function, name: str) -> Iterator[Edit]:
    """What was said to be `None` is what the parameter is said to be, or nothing is said any more."""
    if not (isinstance(function.returns, ast.Constant) and function.returns.value is None):
        return
    given = next(one for one in every(function.args, ast.arg) if one.arg == name)
    span = part.span(function.returns)
    if given.annotation is not None:
        yield Edit(span, part.slice(part.span(given.annotation)))
    else:
        arrow = part.text.rindex("->", 0, span.start)
        yield Edit(Span(len(part.text[:arrow].rstrip()), span.end), "")


def _last_line(part: Text, function: Function) -> tuple[tuple[Span, str]] | None:
    """Where a line behind a body goes, with what stands before it; None if the body is on the line of its header."""
    last, first = function.body[-1], function.body[0]
    start, end = part.span(first).start, part.span(last).end
    line, _ = part.position(start)
    head = part.text[part.starts[line - 1] : start]
    last_line, _ = part.position(end)
    stop = part.starts[last_line] if last_line < len(part.starts) else len(part.text)
    rest = part.text[end:stop].rstrip("\r\n")
    if head.strip(" \t") or (rest.strip() and not rest.strip().startswith("#")):
        return None
    newline = "\r\n" if "\r\n" in part.text[: part.starts[1]] else "\n"
    return ((Span(end + len(rest), end + len(rest)), newline + head),)
