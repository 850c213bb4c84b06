"""Reads statements in order, joins branches, repeats loops until nothing changes."""

from __future__ import annotations

import ast

from fixinplace.detect.assumed import outcome
from fixinplace.detect.birth import note_birth
from fixinplace.detect.cut import note_cut
from fixinplace.detect.early import read_at_once
from fixinplace.detect.flow import Flow
from fixinplace.detect.guards import evaluating
from fixinplace.detect.index import canonical, dotted, imported
from fixinplace.detect.kinds import Kind
from fixinplace.detect.links import without
from fixinplace.detect.loaded import has_strangers
from fixinplace.detect.masks import masked_name
from fixinplace.detect.named import is_plain_part
from fixinplace.detect.outside import is_without_autograd
from fixinplace.detect.parameters import annotation as annotation_of
from fixinplace.detect.part_names import named_parts
from fixinplace.detect.placing import lost
from fixinplace.detect.replacing import replace
from fixinplace.detect.values import OTHER, UNKNOWN, Value, path
from fixinplace.detect.vocabulary import REMOVES

_OFF = ("torch.no_grad", "torch.inference_mode", "torch.autograd.no_grad", "torch.autograd.inference_mode",
        "torch.autograd.grad_mode.no_grad", "torch.autograd.grad_mode.inference_mode")  # fmt: skip
_ON = ("torch.enable_grad", "torch.autograd.enable_grad")
_SET = ("torch.set_grad_enabled", "torch.autograd.set_grad_enabled", "torch._C._set_grad_enabled")
_QUIET = ("torch.profiler.", "torch.autograd.profiler.", "warnings.", "torch.cuda.amp.", "torch.autocast", "torch.amp.")


class Statements(Flow):
    """Runs a body on the abstract state."""

    def statement(self, node: ast.stmt) -> None:
        """One statement."""
        match node:
            case ast.Expr(value=value):
                self.evaluate(value)
                if isinstance(value, ast.Call) and self.is_setter(value.func):
                    self.grad = self.switched(value, self.grad)
            case ast.Assign(targets=targets, value=value):
                found = self.peek(value) if self.keeps_nothing(value) else self.evaluate(value)
                if not self.grad and _makes_new(value):
                    found = _without_grad(found)
                shape = masked_name(self, value) if len(targets) == 1 else None
                links = self.linked(targets, value)
                for target in targets:
                    self.store(target, found, value)
                self.note_links(links)
                self.note_clone(targets, value, found)
                note_birth(self, targets, value, found)
                if shape is not None and isinstance(targets[0], ast.Name):
                    self.note_shape(targets[0].id, shape)
            case ast.AnnAssign(target=target, annotation=hint, value=value):
                known = annotation_of(self.program, hint)
                found = self.evaluate(value) if value is not None else UNKNOWN
                if value is not None:
                    told = known if known is not None and found.kind is Kind.UNKNOWN else found
                    self.store(target, told.with_memory(found.memory, found.maybe), value)
            case ast.AugAssign():
                self.augmented(node)
            case ast.Return(value=value) if value is not None:
                result = self.evaluate(value)
                self.returned.append(result)
                if self.finals:
                    self.escape(result, None, "it is returned, and a `finally` runs after that")
            case ast.Delete(targets=targets):
                for target in targets:
                    if isinstance(target, ast.Name):
                        self.state.names.pop(target.id, None)
                        self.state.links = without(self.state.links, target.id)
                    elif isinstance(target, ast.Subscript):
                        self.remove(target.value, self.evaluate(target.value))
                    elif isinstance(target, ast.Attribute) and target.attr in named_parts(self.program.tree):
                        self.removed(target)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                read_at_once(self, node)
                self.nested[node.name] = node
                self.bind(node.name, OTHER)
            case ast.ClassDef():
                read_at_once(self, node)
                self.bind(node.name, UNKNOWN)
            case ast.Import() | ast.ImportFrom():
                for name, full in imported(node):
                    self.bind(name, path(canonical(full)))
            case _:
                self.compound(node)

    def removed(self, target: ast.Attribute) -> None:
        """`del self.bmm`: an attribute that is gone, or a part of what is not known."""
        base = self.evaluate(target.value)
        if not is_plain_part(self, base, ast.Constant(target.attr)):
            self.program.doubt(REMOVES, has_strangers(self.program.tree))

    def remove(self, node: ast.expr, base: Value) -> None:
        """`del base[i]`."""
        note_cut(self.program, node, base)
        if base.kind is Kind.MODULE:
            self.program.doubt(REMOVES, not base.name and has_strangers(self.program.tree))
        elif base.kind in (Kind.LIST, Kind.DICT):
            self.disordered(base)
            lost(self.program, [base], "it is in a container whose order changes")

    def compound(self, node: ast.stmt) -> None:
        """Statements with bodies."""
        match node:
            case ast.If(test=test, body=body, orelse=orelse):
                self.header(node, test)
                taken = outcome(test, self.assumed)
                if taken is not None or (taken := self.taken_first(test)) is not None:
                    self.branches([body if taken else orelse])
                    return
                self.branches([body, orelse], evaluating(test, self.shape.guards))
            case ast.For() | ast.AsyncFor():
                self.repeat(node)
            case ast.While(test=test):
                self.header(node, test)
                self.loop(node, None, UNKNOWN)
            case ast.With() | ast.AsyncWith():
                self.within(node)
            case ast.Try() | ast.TryStar():
                self.attempt(node)
            case ast.Match():
                self.matched(node)
            case ast.Break() | ast.Continue():
                self.jump(node)
            case ast.Assert() | ast.Raise():
                self.failing = True  # what an error says of a tensor is nobody's result
                self.children(node)
                self.failing = False

    def is_known_context(self, node: ast.expr) -> bool:
        """True for contexts that cannot change grad mode without our seeing it."""
        name = dotted(node.func) if isinstance(node, ast.Call) else ""
        value = self.evaluate(node.func) if isinstance(node, ast.Call) and name else UNKNOWN
        known = (*_OFF, *_ON, *_SET, "torch.autograd.set_detect_anomaly", "torch.autograd.detect_anomaly")
        if value.kind is Kind.PATH and value.name in _SET and not _is_constant(node):
            return False
        return name == "open" or (value.kind is Kind.PATH and (value.name in known or value.name.startswith(_QUIET)))

    def leaves_mode(self, node: ast.expr) -> bool:
        """True for files, warnings, profilers and what libraries without autograd offer."""
        name = dotted(node.func) if isinstance(node, ast.Call) else ""
        value = self.evaluate(node.func) if isinstance(node, ast.Call) and name else UNKNOWN
        quiet = value.kind is Kind.PATH and not value.name.startswith("torch.") and is_without_autograd(value.name)
        return name == "open" or quiet or (value.kind is Kind.PATH and value.name.startswith(_QUIET))

    def is_setter(self, node: ast.expr) -> bool:
        """True for what changes grad mode by being called; `torch.no_grad()` alone does nothing."""
        value = self.evaluate(node) if dotted(node) else UNKNOWN
        return value.kind is Kind.PATH and value.name in _SET

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


def _is_constant(node: ast.expr) -> bool:
    """True for `set_grad_enabled(False)`, and not for `set_grad_enabled(training)`."""
    given = [*node.args, *(k.value for k in node.keywords)] if isinstance(node, ast.Call) else []
    return all(isinstance(one, ast.Constant) for one in given)


def _makes_new(node: ast.expr) -> bool:
    """True for a call that is no in-place method: under `no_grad` its results do not require grad."""
    if not isinstance(node, ast.Call):
        return False
    return not (isinstance(node.func, ast.Attribute) and node.func.attr.endswith("_"))


def _without_grad(value: Value) -> Value:
    items = tuple(map(_without_grad, value.items))
    return replace(value, live=False if value.tensor and not value.leaf else value.live, items=items)
