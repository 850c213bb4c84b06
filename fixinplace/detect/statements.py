"""Reads statements in order, joins branches, repeats loops until nothing changes."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import replace

from fixinplace.detect.frame import State
from fixinplace.detect.index import canonical, dotted, imported
from fixinplace.detect.parameters import annotation as annotation_of
from fixinplace.detect.stores import Stores
from fixinplace.detect.values import (
    OTHER,
    UNKNOWN,
    Kind,
    Value,
    element,
    path,
    rows,
)

_OFF = ("torch.no_grad", "torch.inference_mode", "torch.autograd.no_grad", "torch.autograd.inference_mode",
        "torch.autograd.grad_mode.no_grad", "torch.autograd.grad_mode.inference_mode")  # fmt: skip
_ON = ("torch.enable_grad", "torch.autograd.enable_grad")
_SET = ("torch.set_grad_enabled", "torch.autograd.set_grad_enabled", "torch._C._set_grad_enabled")
_QUIET = ("torch.profiler.", "torch.autograd.profiler.", "warnings.", "torch.cuda.amp.", "torch.autocast", "torch.amp.")
_ROUNDS = 6


class Statements(Stores):
    """Runs a body on the abstract state."""

    def run(self, body: Iterable[ast.stmt]) -> None:
        """Read statements one after the other."""
        for statement in body:
            self.root = statement
            self.later = self.liveness.after(statement)
            self.statement(statement)

    def header(self, statement: ast.stmt, node: ast.expr) -> Value:
        """Evaluate the expression in a compound statement's header."""
        self.root = node
        self.later = self.liveness.after(statement)
        return self.evaluate(node)

    def statement(self, node: ast.stmt) -> None:
        """One statement."""
        match node:
            case ast.Expr(value=value):
                self.evaluate(value)
                self.grad = self.switched(value, self.grad)
            case ast.Assign(targets=targets, value=value):
                found = self.peek(value) if _is_view_chain(value) else self.evaluate(value)
                if not self.grad and _makes_new(value):
                    found = _without_grad(found)
                for target in targets:
                    self.store(target, found, value)
            case ast.AnnAssign(target=target, annotation=hint, value=value):
                known = annotation_of(self.program, hint)
                found = self.evaluate(value) if value is not None else UNKNOWN
                if value is not None:
                    told = known if known is not None and found.kind is Kind.UNKNOWN else found
                    self.store(target, told.with_memory(found.memory, found.maybe), value)
            case ast.AugAssign():
                self.augmented(node)
            case ast.Return(value=value) if value is not None:
                self.returned.append(self.evaluate(value))
            case ast.Delete(targets=targets):
                for target in targets:
                    if isinstance(target, ast.Name):
                        self.state.names.pop(target.id, None)
                    elif isinstance(target, ast.Subscript) and self.evaluate(target.value).kind is Kind.MODULE:
                        self.program.doubt("the file removes parts of modules")
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.nested[node.name] = node
                self.bind(node.name, OTHER)
            case ast.ClassDef():
                self.bind(node.name, UNKNOWN)
            case ast.Import() | ast.ImportFrom():
                for name, full in imported(node):
                    self.bind(name, path(canonical(full)))
            case _:
                self.compound(node)

    def compound(self, node: ast.stmt) -> None:
        """Statements with bodies."""
        match node:
            case ast.If(test=test, body=body, orelse=orelse):
                self.header(node, test)
                self.branches([body, orelse])
            case ast.For() | ast.AsyncFor():
                source = self.header(node, node.iter)
                item, outside = element(source), self.iterating
                self.iterating |= rows(source)
                self.loop(node.body, node.target, replace(item, iterated=True) if source.tensor else item)
                self.iterating = outside
                self.run(node.orelse)
            case ast.While(test=test, body=body, orelse=orelse):
                self.header(node, test)
                self.loop(body, None, UNKNOWN, test, node)
                self.run(orelse)
            case ast.With() | ast.AsyncWith():
                self.within(node)
            case ast.Try() | ast.TryStar():
                self.attempt(node)
            case ast.Match(subject=subject, cases=cases):
                self.escape(self.header(node, subject), None, "a pattern may bind it to another name")
                for name in (n for case in cases for n in pattern_names(case.pattern)):
                    self.bind(name, UNKNOWN)
                self.branches([case.body for case in cases] + [[]])
            case ast.Break() | ast.Continue():
                self.jumps.append(self.state.copy())
            case ast.Assert() | ast.Raise():
                self.children(node)

    def branches(self, bodies: list[list[ast.stmt]]) -> None:
        """Run each body from here; what falls through is joined."""
        entry, grad, ends = self.state, self.grad, []
        for body in bodies:
            self.state, self.grad = entry.copy(), grad
            self.run(body)
            if not (body and isinstance(body[-1], (ast.Return, ast.Raise, ast.Continue, ast.Break))):
                ends.append(self.state)
        self.grad = grad
        self.state = _joined_states(ends) if ends else entry

    def loop(self, body: list[ast.stmt], target: ast.expr | None, item: Value, test: ast.expr | None = None,
             node: ast.stmt | None = None) -> None:  # fmt: skip
        """Run a body until the state no longer changes, at most `_ROUNDS` times; jumps lead to its head or end."""
        self.loops += 1
        start, self.loop_start = self.loop_start, self.program.part.span(body[0]).start
        outside, self.jumps = self.jumps, []
        for _ in range(_ROUNDS):
            entry = self.state.copy()
            if target is not None:
                self.assign(target, item)
            self.run(body)
            if test is not None and node is not None:
                self.header(node, test)
            self.state = _joined_states([entry, self.state, *self.jumps])
            if self.state == entry:
                break
        else:
            self.unsettled = True
        self.jumps = outside
        self.loop_start = start
        self.loops -= 1

    def within(self, node: ast.With | ast.AsyncWith) -> None:
        """A `with` block; some switch grad mode."""
        grad, trying, unknown = self.grad, self.trying, self.unknown_contexts
        for item in node.items:
            self.trying += _expects_errors(item.context_expr)
            value = self.header(node, item.context_expr)
            self.grad = self.switched(item.context_expr, self.grad)
            self.unknown_contexts += not self.is_known_context(item.context_expr)
            if item.optional_vars is not None:
                self.assign(item.optional_vars, UNKNOWN.with_memory(value.memory, value.maybe))
        if self.unknown_contexts > unknown:
            self.state = _joined_states(self.every_state(node.body))
        else:
            self.run(node.body)
        self.grad, self.trying, self.unknown_contexts = grad, trying, unknown

    def every_state(self, body: list[ast.stmt]) -> list[State]:
        """Run a body that an error may leave anywhere; the states before and after each of its statements."""
        states = [self.state.copy()]
        for statement in body:
            self.run([statement])
            states.append(self.state.copy())
        return states

    def attempt(self, node: ast.Try | ast.TryStar) -> None:
        """A handler may see any state of the body."""
        self.trying += bool(node.handlers)
        thrown = _joined_states(self.every_state(node.body))
        self.trying -= bool(node.handlers)
        self.run(node.orelse)
        ends = [self.state]
        for handler in node.handlers:
            self.state = thrown.copy()
            if handler.name:
                self.bind(handler.name, OTHER)
            self.run(handler.body)
            ends.append(self.state)
        self.state = _joined_states(ends)
        self.run(node.finalbody)

    def is_known_context(self, node: ast.expr) -> bool:
        """True for contexts that cannot change grad mode without our seeing it."""
        name = dotted(node.func) if isinstance(node, ast.Call) else ""
        value = self.evaluate(node.func) if isinstance(node, ast.Call) and name else UNKNOWN
        known = (*_OFF, *_ON, *_SET, "torch.autograd.set_detect_anomaly", "torch.autograd.detect_anomaly")
        return name == "open" or (value.kind is Kind.PATH and (value.name in known or value.name.startswith(_QUIET)))

    def switched(self, node: ast.expr, grad: bool) -> bool:
        """Grad mode after entering or calling `node`."""
        call = node if isinstance(node, ast.Call) else None
        name = dotted(call.func if call else node)
        value = self.evaluate(call.func if call else node) if name else UNKNOWN
        if value.kind is not Kind.PATH:
            return grad
        flag = call.args[0] if call and call.args else None
        if value.name in _OFF:
            return grad if isinstance(flag, ast.Constant) and flag.value is False else False
        if value.name in _ON:
            return True
        if value.name in _SET and isinstance(flag, ast.Constant):
            return bool(flag.value)
        return grad


def _joined_states(states: list[State]) -> State:
    result = states[0]
    for state in states[1:]:
        result = result.join(state)
    return result


def _makes_new(node: ast.expr) -> bool:
    """True for a call that is no in-place method: under `no_grad` its results do not require grad."""
    if not isinstance(node, ast.Call):
        return False
    return not (isinstance(node.func, ast.Attribute) and node.func.attr.endswith("_"))


def _without_grad(value: Value) -> Value:
    items = tuple(map(_without_grad, value.items))
    return replace(value, live=False if value.tensor and not value.leaf else value.live, items=items)


def _is_view_chain(node: ast.expr) -> bool:
    """True for `x[1]`, `x[:, 0]`: copying elements saves nothing for backward."""
    return isinstance(node, ast.Subscript) and (isinstance(node.value, ast.Name) or _is_view_chain(node.value))


def _expects_errors(node: ast.expr) -> bool:
    """True for `pytest.raises`, `suppress` and their like: an error that no longer comes is a change."""
    name = dotted(node.func).lower() if isinstance(node, ast.Call) else ""
    return "raises" in name or "suppress" in name


def pattern_names(pattern: ast.pattern) -> list[str]:
    """Names that a pattern binds."""
    nodes = ast.walk(pattern)
    found = [n.name for n in nodes if isinstance(n, (ast.MatchAs, ast.MatchStar)) and n.name is not None]
    return found + [n.rest for n in ast.walk(pattern) if isinstance(n, ast.MatchMapping) and n.rest is not None]
