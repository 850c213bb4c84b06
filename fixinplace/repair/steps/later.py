"""The optimizers that the failing loss is for: those that step behind its backward, before the next one."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fixinplace.repair.base import Change
from fixinplace.repair.code import Code
from fixinplace.repair.steps.backward import losses
from fixinplace.repair.steps.optimizers import Optimizers, disjoint, step_of
from fixinplace.repair.steps.situation import Situation


@dataclass(frozen=True)
class Later:
    """Optimizers by their texts, with what is known of them in the function where they step.

    reachable: the failing call can name them, since it stands in the same function or they hang on `self`.
    """

    names: tuple[str, ...]
    optimizers: Optimizers
    reachable: bool

    @property
    def modules(self) -> tuple[str, ...] | None:
        """The modules that they teach; None if those of one are not seen."""
        found = [self.optimizers.teaches(name) for name in self.names]
        return tuple(dict.fromkeys(m for each in found for m in each or ())) if all(found) else None

    def parameters(self) -> str:
        """An expression for all parameters that they step, and for nothing else."""
        found = [self.optimizers.taught(name) for name in self.names]
        if self.modules is None or not all(each is not None and each.alone for each in found):
            groups = " + ".join(f"{name}.param_groups" for name in self.names)
            return f'[p for group in {groups} for p in group["params"]]'
        if len(self.modules) == 1:
            return f"list({self.modules[0]}.parameters())"
        return "[" + ", ".join(f"*{module}.parameters()" for module in self.modules) + "]"


def later(at: Situation) -> Later | None:
    """The optimizers that step behind the failing backward: in its own function, else in the frame."""
    inner = at.backward.code.statement(at.backward.call)
    function = at.backward.code.function(inner)
    own = function is at.frame.function and at.backward.code is at.code
    if not own:
        stack, needed = at.scene.offence.needed_stack, at.scene.offence.needed
        above = stack[stack.index(needed) + 1 :] if needed is not None and needed in stack else ()
        names = tuple(_behind(at.backward.code, inner))
        if names:
            return Later(names, Optimizers(at.scene, at.backward.code, function, above), True)
    names = tuple(_behind(at.code, at.needed))
    found = Later(names, at.optimizers, own)
    if not own and all(name.startswith("self.") for name in (*names, *(found.modules or ()))):
        found = Later(names, at.optimizers, True)
    return found if names else None


def limited(at: Situation, steps: Sequence[str]) -> Iterator[tuple[Change, str, bool]]:
    """The failing backward limited to the later optimizers' parameters: the edit, who they are, and whether they are
    known to be others than those of the optimizers that step."""
    found = later(at)
    if found is None or not found.reachable or set(found.names) & set(steps):
        return
    mine = [at.stepped if each == at.optimizer else at.modules(each) for each in steps]
    modules = found.modules
    if modules and any(each and not disjoint(modules, each) for each in mine):
        return
    text = found.parameters()
    change = at.backward.with_argument("inputs", text)
    if change is not None:
        names = modules if modules and "param_groups" not in text else found.names
        whom = " and ".join(f"`{name}`" for name in names)
        yield change, whom if names is modules else f"the parameters of {whom}", all(disjoint(modules, m) for m in mine)


def _behind(code: Code, statement: ast.stmt) -> list[str]:
    """The optimizers that step behind a statement and before the next backward, in its block or in one around it."""
    node: ast.AST = statement
    found: list[str] = []
    while isinstance(node, ast.stmt) and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        place = code.block(node)
        for after in place[0][place[1] + 1 :] if place is not None else ():
            if losses(after):
                return found
            steps = (step_of(each) for each in ast.walk(after) if isinstance(each, ast.stmt))
            found += [step.optimizer for step in steps if step is not None and step.optimizer not in found]
        if found:
            return found
        node = next(code.up(node), code.tree)
    return found
