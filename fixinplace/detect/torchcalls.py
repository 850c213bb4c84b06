"""Calls of torch's own functions and classes by their dotted paths."""

from __future__ import annotations

import ast

from fixinplace import catalogue
from fixinplace.detect.bundles import BUNDLED, is_named, names_nothing
from fixinplace.detect.foreach import write_each
from fixinplace.detect.functions import joined
from fixinplace.detect.given import ASSUMED, SWITCHED, is_given, switches_otherwise
from fixinplace.detect.growing import given_up
from fixinplace.detect.index import canonical, keyword
from fixinplace.detect.kinds import Kind, Origin
from fixinplace.detect.library import flatten, of_result, other_library
from fixinplace.detect.modules import Modules
from fixinplace.detect.named import keys_apart
from fixinplace.detect.placing import lost
from fixinplace.detect.program import Observation
from fixinplace.detect.replacing import replace
from fixinplace.detect.switches import Switch, is_spelled, is_switch, switch_of
from fixinplace.detect.values import NONE, NOWHERE, UNKNOWN, Memories, Value, chained, element, memories, named, tensor
from fixinplace.model import Place, Usage

_PRINTING = ("logging.", "pprint.", "reprlib.", "warnings.", "builtins.", "torch._tensor_str.")


def _checkpointed(node: ast.Call) -> ast.Call | None:
    """The call that `checkpoint(f, x, use_reentrant=False)` makes, now and once more in backward; None if not told."""
    if not node.args or any(k.arg != "use_reentrant" for k in node.keywords):
        return None
    return ast.copy_location(ast.Call(node.args[0], node.args[1:], []), node)


def is_false(node: ast.expr) -> bool:
    """True for the literal."""
    return isinstance(node, ast.Constant) and node.value is False


def _given_out(value: Value) -> Value:
    """An operand of `out=`, for which torch takes nothing that requires grad: parameters then hardly do."""
    given = value.memory and all(m.origin is Origin.PARAMETER for m in value.memory)
    return replace(value, live=None) if value.tensor and value.live and given else value


def _table(pairs: Value) -> Value:
    """`OrderedDict([("conv", conv), ("relu", relu)])`: the values in order."""
    values = tuple(named(pair) for pair in pairs.items)
    memory, maybe = memories(values)
    flags = pairs.flags.union(*(value.flags for value in values))
    return replace(pairs, kind=Kind.DICT, items=values, memory=memory, maybe=maybe, flags=flags)


_WRAPPERS = frozenset(
    f"torch.nn.utils.{name}"
    for name in ("weight_norm", "spectral_norm", "remove_weight_norm", "remove_spectral_norm",
                 "parametrizations.weight_norm", "parametrizations.spectral_norm", "parametrizations.orthogonal",
                 "parametrize.remove_parametrizations")
)  # fmt: skip
"""Functions that compute a module's weight anew from others, and return the module."""


_ACTIVATIONS = tuple("ReLU ReLU6 LeakyReLU ELU CELU SELU SiLU Mish Hardtanh Hardswish Hardsigmoid".split())


def _activation(name: str) -> str:
    """`ReLU6` for `torch.nn.functional.relu6(inplace=)`; empty for another function."""
    path, _, last = name.partition("(")[0].rpartition(".")
    same = (one for one in _ACTIVATIONS if one.lower() == last.replace("_", ""))
    return next(same, "") if path == "torch.nn.functional" else ""


class TorchCalls(Modules):
    """Evaluates calls into libraries."""

    def library_call(self, node: ast.Call, path: str) -> Value:
        """A call of a library's function or class by its dotted path."""
        if path.startswith("torch.nn.init."):
            arguments = self.arguments(node)
            return arguments[0] if arguments else UNKNOWN
        if path in _WRAPPERS:
            arguments = self.arguments(node)
            wrapped = bool(arguments) and (arguments[0].kind is Kind.MODULE or arguments[0].name.startswith("!"))
            return arguments[0] if wrapped else self.unseen(node, arguments, path)
        writer = catalogue.writer(path)
        if writer is not None and writer.target_position is not None and writer.rule is not None:
            return self.function_write(node, writer)
        switch = self.switch(node, f"{path}(inplace=)")
        if switch is not Switch.OTHER:
            return self.flagged(node, path, switch is Switch.PERHAPS)
        perhaps = self.may_write(node, path)
        bundled = any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords)
        if perhaps and (bundled or not catalogue.writer(f"{path}(inplace=)")):
            self.program.doubt(f"whether `{path}(...)` writes in place depends on a value that is not in sight")
        if path == "functools.partial" and node.args:
            return self.partial(node)
        if path == "torch.utils.checkpoint.checkpoint" and (inner := _checkpointed(node)) is not None:
            return self.checkpointed(node, inner)
        arguments = self.arguments(node)
        out = keyword(node, "out")
        if out is not None and catalogue.writer(f"{path}(out=)") and not isinstance(out, ast.Constant):
            return self.out_write(node, path, out, arguments)
        result = self.library_result(node, path, arguments)
        if not perhaps:
            return result
        if result.kind is Kind.MODULE:
            return replace(result, view=True)
        return self.handed_on(replace(result, view=True), result, arguments)

    def in_parallel(self, node: ast.Call, module: Value, given: Value) -> Value | None:
        """What a Sequential returns that several devices run, each with its part of what is given.

        None if nothing can be told, or if a part may write what the whole is called with.
        """
        order = chained(module, others=True) if module.name == "torch.nn.Sequential" else None
        if order is None or self.program.outer(module.flags):
            return None
        return self.through(node, replace(module, order=order), [given])

    def library_result(self, node: ast.Call, path: str, arguments: list[Value]) -> Value:
        """What a library's function returns, or the module that its class makes."""
        last = path.rsplit(".", 1)[-1]
        if path in ("torch.nn.Parameter", "torch.nn.parameter.Parameter"):
            return replace(self.parameter(node, arguments))
        if path in ("torch.nn.Buffer", "torch.nn.parameter.Buffer"):
            return replace(self.parameter(node, arguments), live=False, leaf=False)
        if path.startswith("torch.nn.") and path.count(".") == 2 and last[:1].isupper():
            return self.new_module(path, arguments)
        if path.startswith(_PRINTING):
            self.told(arguments, node)
        if path == "torch.nn.parallel.data_parallel" and len(arguments) > 1:
            passed = self.in_parallel(node, *arguments[:2])
            if passed is not None:
                return passed
        row = catalogue.result(path)
        if row is not None and path.startswith("einops.") and not all(v.tensor for v in flatten(arguments[:1])):
            return UNKNOWN.with_memory(*memories(tuple(arguments[:1])))  # it takes arrays too
        if row is not None and ".checkpoint." not in path:
            lost(self.program, arguments, f"`{path}(...)` is given it")
            return of_result(self, node, row, arguments)
        if path == "collections.OrderedDict" and len(arguments) == 1 and arguments[0].kind is Kind.LIST:
            return _table(arguments[0]) if keys_apart(self.body, self.above) else given_up(_table(arguments[0]))
        self.given_to(node, arguments, f"`{path}(...)` is given it")
        known = other_library(path, arguments)
        if known is not None:
            for value in arguments if not path.startswith("math.") else ():
                self.escape(value, None, f"`{path}(...)` may keep it", node)
            if known.kind is Kind.ARRAY:
                memory, maybe = memories(tuple(arguments))
                return known.with_memory(memory, maybe)
            return known
        if path in ("copy.copy", "torch.autograd.Variable") and arguments:
            return replace(arguments[0], view=True) if arguments[0].tensor else arguments[0]
        return self.unseen(node, arguments, path)

    def checkpointed(self, node: ast.Call, inner: ast.Call) -> Value:
        """A function of this file that is run now, and once more in backward: what it is given is kept until then."""
        arguments = self.arguments(node)
        for value in arguments[1:]:
            self.escape(value, None, "`checkpoint(...)` may keep it", node)
        name = inner.func.id if isinstance(inner.func, ast.Name) else ""
        if name in self.nested and name not in self.shape.redefined:
            return self.run_again(inner, ("", f"{self.place.name}.{name}"), self.nested[name], arguments[1:])
        return self.unseen(node, arguments, "torch.utils.checkpoint.checkpoint")

    def switch(self, node: ast.Call, name: str) -> Switch:
        """What a call says of `inplace`, by keyword or by position; see Note [Switches]."""
        writer = catalogue.writer(name)
        value = switch_of(node, writer) if writer is not None else None
        if writer is None or value is None or not is_spelled(node, value, writer):
            return Switch.OTHER
        if isinstance(value, ast.Constant):
            return Switch.ON if value.value is True else Switch.OTHER
        return Switch.PERHAPS if is_switch(self.peek(value)) else Switch.OTHER

    def may_write(self, node: ast.Call, path: str) -> bool:
        """True if a flag that is no literal, or arguments in a bundle, may switch `inplace` on or name an `out`."""
        bundled = any(k.arg is None for k in node.keywords)
        if bundled and catalogue.writer(f"{path}(out=)") and not names_nothing(node, "out"):
            if is_named("out", self.program.tree):
                return True
            self.program.gives.add(BUNDLED)
        bundled = bundled or any(isinstance(each, ast.Starred) for each in node.args)
        writer = catalogue.writer(f"{path}(inplace=)")
        if writer is None:
            return False
        given = keyword(node, "inplace")
        if given is None and writer.flag_position is not None and writer.flag_position < len(node.args):
            given = node.args[writer.flag_position]
        return bundled or (given is not None and not is_false(given))

    def flagged(self, node: ast.Call, path: str, perhaps: bool) -> Value:
        """`F.relu(x, inplace=True)`, or a module built with its flag on; perhaps: or off."""
        name = f"{path}(inplace=)"
        writer = catalogue.writer(name)
        assert writer is not None and writer.rule is not None
        before = self.state.unread
        arguments = self.arguments(node)
        if writer.rule == "FIP107":
            made, seen = self.built(node, path, arguments)
            seen.facts["perhaps"] = perhaps
            return made
        target = node.args[0] if node.args else keyword(node, "input")
        if target is None:
            return tensor(2, None)
        written = replace(self.as_tensor(arguments[0]), sure=3)  # torch takes nothing but tensors there
        seen = self.write(node, name, writer.rule, target, written)
        seen.facts["perhaps"] = perhaps
        self.note_free(seen, node, written)
        self._written(before, seen, node, target, written)
        return written

    def built(self, node: ast.Call, path: str, arguments: list[Value]) -> tuple[Value, Observation]:
        """A module that is built with its flag on."""
        self.program.ledger.unrepeatable()
        span = self.program.part.span(node)
        seen = self._observation(node, "FIP107", f"{path}(inplace=)", path.rsplit(".", 1)[-1])
        seen.facts.setdefault("module", True)
        seen.facts["torch"] = self.torch_name()
        if self.deferring:
            seen.doubts["which calls of the lambda it serves is not known"] = None
        return replace(self.new_module(path, arguments), flags=frozenset((span.start,)), exact=True), seen

    def switched_on(self, node: ast.Call, path: str, known: bool = True) -> Value:
        """`act_layer(inplace=True)`, where the class is passed in; known: one of torch's is the default."""
        value, seen = self.built(node, path, self.arguments(node))
        self.program.gives.add(ASSUMED)
        seen.facts["given"] = True
        seen.assumes[SWITCHED] = None
        if not known:
            seen.doubts["which class is passed in is not known"] = None
        other = switches_otherwise(self.program, node)
        if other:
            seen.doubts[f"`{other}` may be passed in, and takes `inplace` in its own way"] = None
        if not is_given(self.program, Value(Kind.UNKNOWN, 0, name=f"!{path}"), node):
            seen.doubts["a class may be passed in that keeps what its modules are called with"] = None
        return value

    def partial(self, node: ast.Call) -> Value:
        """`partial(nn.ELU, inplace=True)`: each call makes a module with its flag on.

        `partial(F.relu, inplace=True)` is what such a module is: it is called in its place, and writes there.
        """
        made = self.evaluate(node.args[0])
        arguments = self.arguments(node)
        row = catalogue.writer(f"{canonical(made.name)}(inplace=)") if made.kind is Kind.PATH else None
        value = keyword(node, "inplace")
        on = value is not None and is_switch(self.peek(value))
        if row is None or row.rule is None or not on:
            if row is not None and value is not None and not is_false(value):
                self.program.doubt(f"whether `{row.name}` is switched on is not in sight")
            return self.unseen(node, arguments)
        self.program.ledger.unrepeatable()
        activation = _activation(row.name)
        if activation and len(node.args) == 1:
            seen = self._observation(node, "FIP107", row.name, activation)
            seen.facts |= {"module": True, "torch": self.torch_name()}
            flag = frozenset((self.program.part.span(node).start,))
            return Value(Kind.MODULE, name=f"torch.nn.{activation}", flags=flag, exact=True)
        seen = self._observation(node, row.rule, row.name, row.name.rsplit(".", 1)[-1].partition("(")[0])
        seen.lives.append(None)
        seen.facts |= {"place": Place.TEMPORARY, "usage": Usage.VALUE, "torch": self.torch_name()}
        seen.facts |= {"module": True} if row.rule == "FIP107" else {}
        seen.doubts["which calls the partial serves is not known"] = None
        return UNKNOWN

    def function_write(self, node: ast.Call, writer: catalogue.Writer) -> Value:
        """`torch.relu_(x)`, `F.elu_(input=x)`."""
        position = writer.target_position or 0
        target = node.args[position] if position < len(node.args) else keyword(node, writer.target_keyword or "input")
        before = self.state.unread
        arguments = self.arguments(node)
        if target is None or isinstance(target, ast.Starred) or writer.rule is None:
            return UNKNOWN
        nodes: list[ast.expr] = [*node.args, *(k.value for k in node.keywords)]
        written = arguments[nodes.index(target)]
        if writer.rule == "FIP115":
            write_each(self, node, writer.name, target, written, joined(arguments[1:]))
            return NONE
        written = self.as_tensor(written)
        value = joined(arguments[position + 1 :])
        seen = self.write(node, writer.name, writer.rule, target, written, value)
        self._written(before, seen, node, target, written)
        return self.given_back(written, value)

    def _written(self, before: Memories, seen: Observation, node: ast.Call, target: ast.expr, written: Value) -> None:
        """`torch.relu_(row)`: harmless for a view of a fresh clone, as long as no other argument may read that."""
        others = [n for n in (*node.args, *(k.value for k in node.keywords)) if n is not target]
        view = self.is_view(target) or seen.facts.get("source") is not None
        alone = view and all(isinstance(n, ast.Constant) for n in others)
        self.finish_view(seen, written, before if alone else NOWHERE)

    def out_write(self, node: ast.Call, path: str, out: ast.expr, arguments: list[Value]) -> Value:
        """`torch.add(a, b, out=c)`."""
        written = arguments[[*node.args, *(k.value for k in node.keywords)].index(out)]
        one = _given_out(self.as_tensor(element(written) if written.kind is Kind.LIST else written))
        nodes = [*node.args, *(k.value for k in node.keywords)]
        others = [_given_out(a) for a, v in zip(arguments, nodes, strict=True) if v is not out]
        parts = [(out, one)]
        if isinstance(out, (ast.Tuple, ast.List)) and written.exact and len(written.items) == len(out.elts):
            parts = list(zip(out.elts, (_given_out(self.as_tensor(item)) for item in written.items), strict=True))
        for target, value in parts:
            seen = self.write(node, f"{path}(out=)", "FIP110", target, value, joined(others))
            if target is not out:
                seen.target = self.program.part.slice(self.program.part.span(out))
                seen.facts |= {"place": Place.TEMPORARY, "usage": self.usage(node, out)}
                seen.doubts["the call writes several tensors, whose sizes and dtypes it takes as they are"] = None
        return written
