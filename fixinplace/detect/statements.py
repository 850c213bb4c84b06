"""Reads statements in order, joins branches, repeats loops until nothing changes."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import replace

from fixinplace.detect.expressions import Expressions
from fixinplace.detect.frame import State
from fixinplace.detect.index import canonical, dotted, imported
from fixinplace.detect.masks import same_shape
from fixinplace.detect.parameters import annotation as annotation_of
from fixinplace.detect.values import (
    NOWHERE,
    OTHER,
    UNKNOWN,
    Kind,
    Memories,
    Origin,
    Value,
    element,
    join,
    limited,
    overlap,
    path,
    rows,
)
from fixinplace.model import Hazard, Place

OPERATORS: dict[type[ast.operator], str] = {
    ast.Add: "iadd", ast.Sub: "isub", ast.Mult: "imul", ast.Div: "itruediv", ast.FloorDiv: "ifloordiv", ast.Mod: "imod",
    ast.Pow: "ipow", ast.LShift: "ilshift", ast.RShift: "irshift", ast.BitAnd: "iand", ast.BitOr: "ior",
    ast.BitXor: "ixor",
}  # fmt: skip
"""Operators with an in-place form; `@=` has none in torch, it binds a new tensor."""
_OFF = ("torch.no_grad", "torch.inference_mode", "torch.autograd.no_grad", "torch.autograd.inference_mode",
        "torch.autograd.grad_mode.no_grad", "torch.autograd.grad_mode.inference_mode")  # fmt: skip
_ON = ("torch.enable_grad", "torch.autograd.enable_grad")
_SET = ("torch.set_grad_enabled", "torch.autograd.set_grad_enabled", "torch._C._set_grad_enabled")
_QUIET = ("torch.profiler.", "torch.autograd.profiler.", "warnings.", "torch.cuda.amp.", "torch.autocast", "torch.amp.")
_ROUNDS = 6


class Statements(Expressions):
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

    def store(self, target: ast.expr, value: Value, source: ast.expr | None) -> None:
        """Assign to any kind of target; `source` is the expression if `value` is its value as a whole."""
        match target:
            case ast.Subscript():
                self.store_item(target, value)
            case ast.Attribute():
                self.store_attribute(target, value)
            case ast.Tuple(elts=elements) | ast.List(elts=elements) if not isinstance(target, ast.Name):
                exact = value.exact and len(value.items) == len(elements)
                starred = any(isinstance(e, ast.Starred) for e in elements)
                self.interleaved = NOWHERE.union(value.memory, value.maybe)
                for i, one in enumerate(elements):
                    part = value.items[i] if exact and not starred else self.unpacked(value, i)
                    self.store(one, part, None)
                self.interleaved = NOWHERE
            case _:
                self.assign(target, value)

    def store_attribute(self, target: ast.Attribute, value: Value) -> None:
        """`base.attr = value`: a module's flag, `x.data = y`, or a slot that holds the value from now on."""
        base = self.evaluate(target.value)
        text = dotted(target)
        if base.tensor and target.attr == "data":
            seen = self.write(target, "Tensor.data", "FIP111", target, replace(base, live=True))
            seen.facts["place"] = Place.ATTRIBUTE
            return
        if target.attr == "inplace" and isinstance(self.root, ast.Assign) and _is_true(self.root.value):
            self.switch_on(target)
            return
        if base.kind is Kind.PATH and base.name.startswith("torch"):
            sentence = f"the file replaces `{base.name}.{target.attr}`"
            self.program.doubt(sentence)
        if base.tensor:
            self.escape(base, None, f"`.{target.attr}` is set on the tensor itself")
        self.kept |= {m.label for m in value.memory | value.maybe if m.origin is Origin.PARAMETER}
        self.set_attribute(base.name, target.attr, value)
        self.escape(value, None, f"`.{target.attr}` holds it")
        if target.attr == "forward" or any(target.attr in info.methods for info in self.program.index.classes.values()):
            self.program.doubt(f"the file replaces the method `{target.attr}`")
        self.held |= value.memory | value.maybe
        if text and value.memory | value.maybe:
            self.state.attrs[text] = value.with_memory(value.memory, value.maybe)
        elif text:
            self.state.attrs.pop(text, None)
        elif value.memory:
            self.escape(value, "escapes-to-attribute", f"an attribute `{target.attr}` holds the same tensor")

    def set_attribute(self, owner: str, attr: str, value: Value) -> None:
        """Remember what an attribute may hold: of the class, or of every class that has it if the owner is unknown."""
        classes = self.program.index.classes
        for info in [classes[owner]] if owner in classes else classes.values():
            known = info.attrs.get(attr)
            if known is not None or owner in classes:
                info.attrs[attr] = limited(value if known is None else join(known, value))

    def switch_on(self, target: ast.Attribute) -> None:
        """`m.inplace = True`."""
        seen = self._observation(target, "FIP108", "torch.nn.Module.inplace", dotted(target.value) or "module")
        seen.lives.append(None)
        seen.facts |= {"place": Place.ATTRIBUTE, "module": True, "torch": self.torch_name()}
        seen.doubts["which calls the module serves is not known"] = None

    def store_item(self, target: ast.Subscript, value: Value) -> None:
        """`base[index] = value`."""
        before = self.state.unread
        index = self.peek(target.slice)  # what an index is computed from is never saved for backward
        base = self.peek(target.value)
        if base.kind is Kind.MODULE:
            self.program.doubt("the file replaces parts of modules by index")
        if not base.tensor:
            self.escape(value, None, "a container holds it")
            self.escape(index, None, "it is a key")
        if base.tensor or (base.kind is Kind.UNKNOWN and value.tensor and _slices(target.slice)):
            self.store_elements(target, base if base.tensor else self.as_tensor(base), value, before)
        elif base.kind in (Kind.LIST, Kind.DICT) and self.is_own(target.value, base):
            merged = join(element(base), value) if base.items else value
            memory, maybe = base.memory | value.memory, base.maybe | value.maybe
            grown = replace(base, items=(merged,), exact=False, memory=memory, maybe=maybe)
            self.bind(dotted(target.value), grown)
        elif value.memory:
            self.escape(value, "container-slot", f"`{dotted(target.value) or '...'}[...]` holds the same tensor")

    def store_elements(self, target: ast.Subscript, base: Value, value: Value, unread: Memories) -> None:
        """A store into a tensor; harmless while nobody has read the fresh storage."""
        seen = self.write(target, "Tensor.__setitem__", "FIP109", target, base, value)
        seen.facts["mask"] = same_shape(self, target)
        seen.facts["scalar"] = value.kind is Kind.NUMBER
        if overlap(self.interleaved, base.memory):
            sentence = "the values of the assignment are views of the tensor, and its stores come one after the other"
            seen.hazards.setdefault("evaluation-order", Hazard("evaluation-order", sentence))
        self.finish(seen, base, unread)

    def augmented(self, node: ast.AugAssign) -> None:
        """`target op= value`."""
        before = self.state.unread
        if isinstance(node.target, ast.Subscript):
            base = self.peek(node.target.value)
            self.peek(node.target.slice)
            value = self.evaluate(node.value)
            self.augmented_item(node, node.target, base, value, before & self.state.unread)
            return
        old = self.evaluate(node.target)
        value = self.evaluate(node.value)
        name = OPERATORS.get(type(node.op))
        if old.kind is Kind.UNKNOWN and value.tensor:
            old = self.as_tensor(old)
        if old.tensor and name is not None:
            rule = "FIP101" if isinstance(node.target, ast.Name) else "FIP102"
            self.write(node, f"Tensor.__{name}__", rule, node.target, old, value)
            grown = replace(old, live=True if value.live else old.live, view=old.view)
        elif old.kind in (Kind.LIST, Kind.DICT):
            grown = replace(old, items=tuple(filter(None, (element(old) if old.items else None, element(value)))),
                            exact=False, memory=old.memory | value.memory, maybe=old.maybe | value.maybe)  # fmt: skip
        else:
            grown = self.binary(node, old, value, node.op)
        if isinstance(node.target, ast.Name):
            self.bind(node.target.id, grown)
        elif not old.tensor:
            self.store_attribute(node.target, grown)

    def augmented_item(self, node: ast.AugAssign, target: ast.Subscript, base: Value, value: Value,
                       unread: Memories) -> None:  # fmt: skip
        """`base[index] op= value`: an in-place op on a view and a store of the view into itself."""
        name = OPERATORS.get(type(node.op), "imatmul")
        if base.kind is Kind.UNKNOWN and _slices(target.slice):
            base = self.as_tensor(base)
        if base.tensor:
            seen = self.write(node, f"Tensor.__{name}__", "FIP103", target, base, value)
            self.finish(seen, base, unread)
            return
        item = element(base) if base.kind in (Kind.LIST, Kind.DICT) else UNKNOWN
        if item.tensor:
            seen = self.write(node, f"Tensor.__{name}__", "FIP103", target, item, value)
            sentence = f"the tensor lies in the container `{dotted(target.value) or '...'}`"
            seen.hazards.setdefault("container-slot", Hazard("container-slot", sentence))
        elif value.memory and isinstance(target.value, ast.Name):
            self.escape(value, None, f"`{target.value.id}[...]` may hold the same tensor")


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


def _is_true(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _slices(node: ast.expr) -> bool:
    parts = node.elts if isinstance(node, ast.Tuple) else [node]
    ranges = (isinstance(p, ast.Slice) or (isinstance(p, ast.Constant) and p.value is ...) for p in parts)
    return len(parts) > 1 and any(ranges)


def pattern_names(pattern: ast.pattern) -> list[str]:
    """Names that a pattern binds."""
    nodes = ast.walk(pattern)
    found = [n.name for n in nodes if isinstance(n, (ast.MatchAs, ast.MatchStar)) and n.name is not None]
    return found + [n.rest for n in ast.walk(pattern) if isinstance(n, ast.MatchMapping) and n.rest is not None]
