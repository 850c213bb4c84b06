"""An offence of an optimizer step, looked at as the statements of one function."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property

from fixinplace.repair.base import Scene
from fixinplace.repair.code import Code, Function
from fixinplace.repair.steps.backward import Backward, losses
from fixinplace.repair.steps.facts import Reader
from fixinplace.repair.steps.frames import Frame, frame
from fixinplace.repair.steps.lines import Item, common, needed, renaming, way
from fixinplace.repair.steps.optimizers import Optimizers, Step, one_shot, step_of
from fixinplace.repair.steps.paths import Paths, touch

_GOES_THROUGH = ("parameters", "named_parameters")


@dataclass(frozen=True)
class Situation:
    """Where the forward, the step and the failing backward stand in their common frame, and what they are.

    around: the frame of all three, where `frame` is a deeper one that only the step and the backward share.
    """

    scene: Scene
    frame: Frame
    backward: Backward
    around: Frame | None = None

    @property
    def code(self) -> Code:
        """The file of the frame."""
        return self.frame.code

    @property
    def write(self) -> ast.stmt:
        """The statement that stepped."""
        return self.frame.write

    @property
    def needed(self) -> ast.stmt:
        """The statement whose backward failed."""
        return self.frame.needed

    @cached_property
    def reader(self) -> Reader:
        """Facts about the statements of the frame's file."""
        return Reader(self.code)

    @cached_property
    def optimizers(self) -> Optimizers:
        """Constructions as the frame's function knows them."""
        return Optimizers(self.scene, self.code, self.frame.function, self.frame.above)

    @cached_property
    def wanted(self) -> Paths:
        """What the failing statement differentiates, in the words of the frame."""
        if self.inside:
            return losses(self.backward.call)
        return self.reader.facts(self.needed).reads

    @cached_property
    def loop(self) -> ast.For | ast.While | None:
        """The innermost loop around both the step and the failing backward."""
        around = [up for up in self.code.up(self.needed) if isinstance(up, (ast.For, ast.While))]
        return next((each for each in around if any(node is self.write for node in ast.walk(each))), None)

    @cached_property
    def closure(self) -> ast.FunctionDef | None:
        """The function that `opt.step(closure)` calls again and again, if it stands in the frame's own function."""
        inner = self.backward.code.function(self.backward.call)
        nested = any(inner is node for each in self.frame.body for node in ast.walk(each))
        return inner if isinstance(inner, ast.FunctionDef) and nested and self.write is self.needed else None

    @cached_property
    def items(self) -> list[Item]:
        """All that runs in the function on the way to the failing statement, in the order of the text."""
        return way(self.reader, self.frame.body[0], self.needed) or []

    def full(self, text: str) -> str:
        """A path with the attribute written out that its first name stands for: `self.net.head` for `net.head`."""
        names = dict(pair for item in self.items if (pair := renaming(item.node)) is not None)
        name, dot, rest = text.partition(".")
        return names.get(name, name) + dot + rest

    def flows(self, statement: ast.stmt) -> Paths:
        """The paths through which a gradient comes to a statement on the way, with the full ones."""
        found = [item.facts.flows for item in self.items if item.node is statement]
        return found[0] if found else self.reader.facts(statement).flows

    def uses(self, optimizer: str) -> bool:
        """True if the failing loss is known to come through modules that this optimizer steps."""
        modules = self.modules(optimizer)
        flows = [self.items[n].facts.flows for n in needed(self.items, self.wanted)[0]]
        return modules is not None and any(touch(each, modules) for each in flows)

    @cached_property
    def carried(self) -> bool:
        """True if the step of one round of a loop comes before the backward of the next."""
        shared = common(self.code, self.write, self.needed)
        return shared is not None and shared[1] >= shared[2]

    # --- the step

    @cached_property
    def step(self) -> Step | None:
        """The step that the statement is; for a helper without a backward of its own, the step in it on `self`."""
        found = step_of(self.write)
        helper = self.frame.inside_write
        if found is not None or helper is None or "backward" in _calls(helper):
            return found
        spot = self.scene.node(self.scene.offence.writes[0].place)
        inner = step_of(spot[0].statement(spot[1])) if spot is not None else None
        mine = inner is not None and inner.optimizer.startswith("self.") and self._of_one_class(helper)
        return inner if mine else None

    def _of_one_class(self, other: Function) -> bool:
        function = self.frame.function
        if function is None:
            return False
        return self._owner(function) is not None and self._owner(function) is self._owner(other)

    def _owner(self, function: Function) -> ast.AST | None:
        return next((up for up in self.code.up(function) if isinstance(up, ast.ClassDef)), None)

    @cached_property
    def by_hand(self) -> ast.stmt | None:
        """What updates parameters by hand: `with no_grad():` or a loop over them around the write, or a helper that is
        given them and is not called again in the same block, or only when it has cleared what it used."""
        if self.step is not None or self.scene.offence.writes[0].by == "optimizer":
            return None
        shared = common(self.code, self.write, self.needed)
        whole = shared[0][shared[1]] if shared is not None else None
        if shared is None or whole is None or not self._updated(whole):
            return None
        match whole:
            case ast.With() | ast.For():
                return whole
            case ast.Expr(value=ast.Call()):
                return None if self.again and not self.clears_itself else whole
        return None

    @cached_property
    def again(self) -> bool:
        """True if the function that the step calls is called again later in the same block."""
        shared = common(self.code, self.write, self.needed)
        match shared and shared[0][shared[1]]:
            case ast.Expr(value=ast.Call(func=called)) if shared is not None:
                nodes = [each for node in shared[0][shared[1] + 1 :] for each in ast.walk(node)]
                calls = [each.func for each in nodes if isinstance(each, ast.Call)]
                return ast.unparse(called) in map(ast.unparse, calls)
        return False

    @cached_property
    def clears_itself(self) -> bool:
        """True if the update by hand drops the gradient of each parameter right where it has written it."""
        spot = self.scene.node(self.scene.offence.writes[0].place)
        place = None if spot is None else spot[0].block(spot[0].statement(spot[1]))
        if place is None:
            return False
        block, index = place
        written = _written(block[index])
        return written is not None and any(_drops(node) == written for node in block[index + 1 :])

    @property
    def updates_by_hand(self) -> bool:
        """True if parameters are updated without an optimizer."""
        return self.step is None and bool(_parameters_of(self.write) or self.by_hand)

    @cached_property
    def uses_gradients(self) -> bool:
        """True unless an update by hand, with all that it calls, is seen to read no gradient: decay, clamping."""
        helper = self.frame.inside_write
        nodes = [each for each in (self.by_hand, helper) if each is not None]
        read = any(isinstance(each, ast.Attribute) and each.attr == "grad" for n in nodes for each in ast.walk(n))
        return self.by_hand is None or read

    @cached_property
    def reads_gradients(self) -> bool:
        """True if the statement that wrote, or a function of the user's that was running below it, reads a gradient."""
        shared = common(self.code, self.write, self.needed)
        nodes: list[ast.AST] = [self.write if shared is None else shared[0][shared[1]]]
        for place in self.scene.offence.writes[0].stack:
            spot = self.scene.node(place)
            function = None if spot is None else spot[0].function(spot[1])
            if function is self.frame.function:
                break
            nodes += [] if function is None else [function]
        return any(isinstance(each, ast.Attribute) and each.attr == "grad" for node in nodes for each in ast.walk(node))

    def _updated(self, whole: ast.stmt) -> tuple[str, ...]:
        """The modules whose parameters a statement goes through, or a helper that wrote and is given them, or has them:
        `critic` for `critic.clip()`, whose method goes through `self.parameters()`.
        """
        helper = self.frame.inside_write
        match whole:
            case ast.Expr(value=ast.Call() as call) if helper is not None and not _parameters_of(whole):
                names = [each.arg for each in (*helper.args.posonlyargs, *helper.args.args)]
                given = {k.arg or "": k.value for k in call.keywords}
                if names[:1] == ["self"] and isinstance(call.func, ast.Attribute):
                    given |= {names.pop(0): call.func.value}
                given |= dict(zip(names, call.args, strict=False))
                firsts = [owner.partition(".") for owner in _parameters_of(helper)]
                return tuple(f"{ast.unparse(given[first])}{dot}{rest}" for first, dot, rest in firsts if first in given)
        return _parameters_of(whole)

    @cached_property
    def optimizer(self) -> str:
        """The optimizer of the step as the report names it."""
        return self.step.optimizer if self.step is not None else self.one_line(self.by_hand or self.write)

    @cached_property
    def stepped(self) -> tuple[str, ...] | None:
        """The modules whose parameters the step writes; None if not seen."""
        if self.by_hand is not None:
            return self._updated(self.by_hand)
        return None if self.step is None else self.modules(self.step.optimizer)

    def one_line(self, node: ast.stmt) -> str:
        """A statement on one line; of a compound one, its header."""
        text = self.code.source_of(node)
        body = getattr(node, "body", None)
        if isinstance(body, list):
            text = text[: self.code.text.span(body[0]).start - self.code.text.span(node).start].split(":\n")[0]
        return " ".join(text.split()).removesuffix(":")

    @cached_property
    def failing(self) -> str:
        """The failing backward as the frame writes it."""
        return self.backward.text if self.inside else self.one_line(self.needed)

    @cached_property
    def loss(self) -> str:
        """What the failing backward differentiates, as a report names it."""
        if self.inside or self.backward.loss.startswith("self."):
            return f"`{self.backward.loss}`"
        match self.needed:
            case ast.Expr(value=ast.Call(func=ast.Attribute(attr="backward" | "manual_backward"), args=[first, *_])):
                return f"`{' '.join(self.code.source_of(first).split())}`"
        return f"the loss of `{self.failing}`"

    @property
    def loss_first(self) -> str:
        """The same at the beginning of a sentence."""
        return self.loss[:1].upper() + self.loss[1:]

    @cached_property
    def inside(self) -> bool:
        """True if the failing call stands in the frame itself."""
        return self.backward.code is self.code and any(each is self.backward.call for each in ast.walk(self.needed))

    @cached_property
    def whole_update(self) -> bool:
        """True if the statement calls a helper that clears gradients, takes a backward and steps, all by itself."""
        helper = self.frame.inside_write
        return helper is not None and {"zero_grad", "backward", "step"} <= _calls(helper)

    @cached_property
    def update_keeps_graph(self) -> bool:
        """True if the helper's own backward keeps its graph for another one."""
        nodes = [self.write, *([] if self.frame.inside_write is None else [self.frame.inside_write])]
        return any(isinstance(each, ast.keyword) and each.arg == "retain_graph" for n in nodes for each in ast.walk(n))

    def modules(self, optimizer: str) -> tuple[str, ...] | None:
        """The modules that an optimizer teaches; None if not seen."""
        return self.optimizers.teaches(optimizer)

    def is_optimizer(self, text: str) -> bool:
        """True if this is stepped somewhere in the file, or has the name of an optimizer."""
        statements = (node for node in ast.walk(self.code.tree) if isinstance(node, ast.stmt))
        return "opt" in text.lower() or any((s := step_of(node)) and s.optimizer == text for node in statements)

    def is_loop_variable(self, name: str) -> bool:
        """True if a loop of the function binds the name, so that it may be anything."""
        loops = (each for node in self.frame.body for each in ast.walk(node) if isinstance(each, ast.For))
        return any(isinstance(each, ast.Name) and each.id == name for loop in loops for each in ast.walk(loop.target))

    def one_shot(self, name: str) -> bool:
        """True if a name may hold an iterator."""
        return one_shot(self.code, self.frame.function, name)


def situation(scene: Scene) -> Situation | None:
    """The offence in its common frame; None where the three do not share one, or the backward is not seen."""
    found = frame(scene)
    spot = scene.node(scene.offence.needed)
    if found is None or spot is None:
        return None
    code, node = spot
    calls = [node] if isinstance(node, ast.Call) else [each for each in ast.walk(node) if isinstance(each, ast.Call)]
    call = next((each for each in calls if _is_backward(each)), None)
    return None if call is None else Situation(scene, found, Backward(code, call))


def deeper(at: Situation) -> Situation | None:
    """The same offence in the function that one statement of the frame calls, where both step and backward are."""
    inner = frame(at.scene, forward=False) if at.write is at.needed else None
    if inner is None or inner.write is inner.needed or inner.function is at.frame.function:
        return None
    return Situation(at.scene, inner, at.backward, at.frame)


def _is_backward(call: ast.Call) -> bool:
    name = ast.unparse(call.func).rsplit(".", 1)[-1]
    return name in ("backward", "grad", "manual_backward")


def _calls(function: Function) -> set[str]:
    """The last names of all that a function calls."""
    return {ast.unparse(node.func).rsplit(".", 1)[-1] for node in ast.walk(function) if isinstance(node, ast.Call)}


def _written(statement: ast.stmt) -> str | None:
    """The parameter that a statement updates: `p` for `p -= ...`, `p.data -= ...` and `p.data.sub_(...)`."""
    match statement:
        case ast.AugAssign(target=target) | ast.Assign(targets=[target]):
            written: ast.expr = target
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=target))):
            written = target
        case _:
            return None
    return ast.unparse(written).removesuffix(".data")


def _drops(statement: ast.stmt) -> str | None:
    """The parameter whose gradient a statement drops: `p` for `p.grad = None` and `p.grad.zero_()`."""
    match statement:
        case ast.Assign(targets=[ast.Attribute(value=owner, attr="grad")], value=ast.Constant(value=None)):
            return ast.unparse(owner)
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Attribute(value=owner, attr="grad"), attr="zero_"))):
            return ast.unparse(owner)
    return None


def _parameters_of(node: ast.stmt) -> tuple[str, ...]:
    """The modules whose parameters a statement goes through."""
    calls = (each.func for each in ast.walk(node) if isinstance(each, ast.Call))
    owners = [ast.unparse(f.value) for f in calls if isinstance(f, ast.Attribute) and f.attr in _GOES_THROUGH]
    return tuple(dict.fromkeys(owners))
