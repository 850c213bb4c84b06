"""Whose business a write is: autograd's, or an initialiser's, an optimizer's, a statistic's, the author's."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace import catalogue
from fixinplace.detect.kinds import Dtype, Kind, Origin
from fixinplace.detect.kinship import Kinship
from fixinplace.detect.program import Observation
from fixinplace.detect.usage import is_loss
from fixinplace.detect.values import SUMMED, Memories, Value, join_live
from fixinplace.model import Hazard

_INITIALISERS = (
    "__init__",
    "reset_parameters",
    "init_weights",
    "_init_weights",
    "weights_init",
    "weight_init",
)
_PREFIXES = (
    "init_",
    "_init",
    "reset_param",
    "weights_init",
    "weight_init",
    "initialize",
    "_initialize",
    "_reset_param",
)
_STATISTICS = ("running_", "num_batches_tracked", "moving_mean", "moving_var")
_DISCRETE = (Dtype.INT, Dtype.BOOL)
_DETACHED = ("data", "grad")


def is_initialiser(name: str, computed: bool = False) -> bool:
    """True for functions that set up parameters, by the names that the field gives them.

    computed: what is written was computed there from what requires grad: a state that is begun, no parameter.
    """
    last = name.rsplit(".", 1)[-1]
    if last in _INITIALISERS:
        return True
    return not computed and (last == "reset" or last.startswith(_PREFIXES) or last.endswith("_init"))


class Roles(Kinship):
    """Tells the writes that are no operation of autograd, or are meant to be in place."""

    def roles(self, seen: Observation, target: ast.expr, written: Value, value: Value | None) -> None:
        """Not ours: no autograd operation, or one that is meant to be in place."""
        lives = [written.live, value.live if value is not None else False]
        live = join_live(iter(lives)) if written.dtype not in _DISCRETE else False
        if live is None and _is_loss(seen, written, value):
            live = True
        seen.lives.append(None if live and (self.seldom_on or _takes_codes(seen.op, written, value)) else live)
        cls = self.place.cls
        if not self.grad:
            add_hazard(seen, "no-grad", "grad mode is off here: the write is no autograd operation")
        elif is_initialiser(self.place.name, is_local(written.memory) and live is True and not written.leaf):
            add_hazard(seen, "initialiser", "an initialiser sets up values before autograd looks at them")
        elif self.place.updates or (cls and self.program.index.updates(cls.name)):
            add_hazard(seen, "optimizer", "an optimizer updates its parameters in place by design")
        elif set(self.detaching(target)):
            self._detached(seen, target)
        elif any(part.startswith(_STATISTICS) for part in _attributes(target)):
            add_hazard(seen, "running-statistics", "running statistics are kept in place by design")
        elif seen.rule == "FIP112" and seen.op in ("Tensor.requires_grad_", "Tensor.share_memory_"):
            add_hazard(seen, "untracked", "no element of the tensor is written")

    def _detached(self, seen: Observation, target: ast.expr) -> None:
        parts = list(self.detaching(target))
        base = self.root_value(target)
        used = base is not None and base.tensor and base.live is not False
        cls, method = self.place.cls, self.place.name.split(".")[1:2]
        index = self.program.index
        module = cls is not None and index.is_module(cls.name) and index.runs_in_forward(cls.name, *method)
        random = seen.rule == "FIP113"
        if "grad" in parts:
            add_hazard(seen, "optimizer", "a gradient is written, which autograd does not record")
        elif random:
            add_hazard(seen, "initialiser", "random numbers are put in past autograd")
        elif "data" in parts and (module or (used and base is not None and is_local(base.memory))):
            seen.rule, seen.lives[-1] = "FIP111", True if used else None
            sentence = "a write through `.data` changes state that autograd does not see; what it means is the author's"
            add_hazard(
                seen, "state-update", f"{sentence} to say: use a new tensor, or `torch.no_grad()` outside of forward"
            )
        else:
            add_hazard(seen, "detached", "the write goes past autograd on purpose")

    def detaching(self, node: ast.expr) -> Iterator[str]:
        """`data` and `grad` on the way to the target, unless a class of this file calls an attribute of its own so."""
        match node:
            case ast.Call(func=ast.Attribute(attr=attr)) if _gives_new(attr):
                return
            case ast.Attribute(value=value, attr=attr):
                yield from self.detaching(value)
                name = "data" if attr == "detach" else attr
                if name in _DETACHED and (attr == "detach" or not self._is_own(value, attr)):
                    yield name
            case ast.Subscript(value=value) | ast.Call(func=value):
                yield from self.detaching(value)

    def _is_own(self, owner: ast.expr, attr: str) -> bool:
        name = self.evaluate(owner).name
        return name in self.program.index.classes and self.program.index.attribute(name, attr) is not None

    def root_value(self, target: ast.expr) -> Value | None:
        """The value at the root of a chain of attributes, calls and subscripts, `self.w` for `self.w.data[0]`."""
        match target:
            case ast.Attribute(value=ast.Name(id=name)) if name == self.place.first_parameter:
                return self.evaluate(target)
            case ast.Attribute(value=value) | ast.Subscript(value=value) | ast.Call(func=value):
                return self.root_value(value)
            case ast.Name():
                return self.evaluate(target)
        return None


def _takes_codes(op: str, written: Value, value: Value | None) -> bool:
    """True if integers are put into a tensor of unknown dtype: it holds classes, tokens or indices, as a rule.

    Only a tensor of floats can be divided in place.
    """
    if op in ("Tensor.__itruediv__", "Tensor.div_"):
        return False
    codes = value is not None and value.tensor and value.dtype in _DISCRETE
    return codes and written.dtype is Dtype.ANY and not written.leaf


def _is_loss(seen: Observation, written: Value, value: Value | None) -> bool:
    """True for `loss += term` where nothing tells of the term's gradient: what is summed up so is differentiated.

    So is the mean of it, `loss /= n`.
    """
    term = value is not None and value.tensor and value.live is None and value.dtype not in _DISCRETE
    mean = value is not None and value.kind is Kind.NUMBER and written.name == SUMMED and written.live is None
    return (term or mean) and isinstance(seen.node, ast.AugAssign) and is_loss(seen.target)


def be_sure(seen: Observation, node: ast.AST, written: Value, value: Value | None) -> None:
    """Note how sure it is that a tensor is written: what one is added to is one, as is what one was added to."""
    scaled = written.name == SUMMED and value is not None and value.kind is Kind.NUMBER
    term = value if isinstance(node, ast.AugAssign) and value is not None and value.tensor else None
    given = term is None or any(one.origin is Origin.PARAMETER for one in term.memory)
    added = term is not None and (term.sure == 3 or (term.sure == 2 and not given))
    if written.sure < 3:
        seen.facts["summed"] = True
    seen.sure = min(seen.sure, 3 if scaled or (added and written.sure == 2) else written.sure)


def add_hazard(seen: Observation, refusal: str, sentence: str) -> None:
    """Note what forbids the rewrite; the first sentence for a refusal stays."""
    seen.hazards.setdefault(refusal, Hazard(refusal, sentence))


def _gives_new(method: str) -> bool:
    """True for methods whose result shares no memory with their tensor: `x.data.new(3)`, `x.data.clone()`."""
    row = catalogue.result(f"Tensor.{method}")
    return method == "new" or (row is not None and row.memory is catalogue.Memory.FRESH)


def _attributes(node: ast.expr) -> Iterator[str]:
    """Names of the attributes and methods on the way from the root of an expression to its end."""
    match node:
        case ast.Attribute(value=value, attr=attr):
            yield from _attributes(value)
            yield "data" if attr == "detach" else attr
        case ast.Subscript(value=value) | ast.Call(func=value):
            yield from _attributes(value)


def is_local(memory: Memories) -> bool:
    """True if all these storages were made in the function at hand, in this round of its loops."""
    return bool(memory) and all(m.origin is Origin.ALLOCATED for m in memory)
