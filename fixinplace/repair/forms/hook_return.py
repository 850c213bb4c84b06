"""A forward hook that writes the output it is given: what a hook returns takes the output's place."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from dataclasses import replace

from fixinplace.model import Edit, Fix
from fixinplace.repair import kept
from fixinplace.repair.base import Change, Proposal, Repair, Scene, Tier
from fixinplace.repair.code import Code
from fixinplace.repair.copying import written
from fixinplace.repair.ran import fix_at
from fixinplace.trace.events import Write

_NAME = "hook-return"
_REGISTERING = "register_forward_hook"
_CALLER = "/torch/nn/modules/module.py"
_OUTPUT = -1  # the last argument, with and without `with_kwargs=True`
_TOLD = "`{}` is an argument: callers of `{}` in other files may look at it afterwards"


def propose(scene: Scene) -> Iterator[Proposal]:
    """All writes of a hook to its output made out of place, and the new output returned."""
    for write in scene.offence.writes[:1]:
        spot = scene.node(write.place)
        hook = None if spot is None or not _by_torch(write) else _hook(*spot)
        if spot is None or hook is None:
            continue
        code, output = spot[0], hook.args.args[_OUTPUT].arg
        keeper = kept.keeper(write, code, spot[1])
        edits = () if kept.is_object(keeper) or not write.names_complete else _edits(code, hook, output)
        if edits:
            title = f"`{hook.name}` returns the new `{output}`, which takes the place of the module's"
            told = (_TOLD.format(output, hook.name), *kept.told(keeper))
            excused, rank = _excused(code, hook, output), 11 if keeper is None else 34
            yield Proposal(_NAME, Tier.PATCH, title, (Change(code.path, edits),), "", rank, told, excused=excused)


def _by_torch(write: Write) -> bool:
    """True if it was a module's own call that called the function which wrote."""
    outer = itertools.islice(itertools.dropwhile(lambda place: place != write.place, write.stack), 1, None)
    return next((place.file.endswith(_CALLER) for place in outer), False)


def _hook(code: Code, node: ast.expr | ast.stmt) -> ast.FunctionDef | None:
    """The function around a write to its last argument, if the file makes it a forward hook and it returns nothing.

    And does nothing else with it, nor has any other hook: one that keeps what it is given may have come before.
    """
    function = code.function(node)
    if not isinstance(function, ast.FunctionDef) or not function.args.args or function.decorator_list:
        return None
    own = [each for each in ast.walk(function) if isinstance(each, (ast.Return, ast.Yield, ast.YieldFrom, ast.Lambda))]
    to_output = written(code.statement(node)) == function.args.args[_OUTPUT].arg
    return function if to_output and not own and _is_only_hook(code, function) else None


def _is_only_hook(code: Code, function: ast.FunctionDef) -> bool:
    """Every hook that the file registers is this function, or one that its factory has returned."""
    factory = code.above.get(id(function))
    if isinstance(factory, ast.FunctionDef) and _is_all_that_is_returned(code, function, factory):
        return _is_registered(code, factory, made=True)
    return _is_registered(code, function)


def _is_all_that_is_returned(code: Code, function: ast.FunctionDef, factory: ast.FunctionDef) -> bool:
    """True for a factory whose one return gives the function, which nothing else names."""
    named = [node for node in ast.walk(code.tree) if _name(node) == function.name]
    own = [node for node in ast.walk(factory) if isinstance(node, ast.Return) and code.function(node) is factory]
    return len(named) == len(own) == 1 and own[0].value is named[0]


def _is_registered(code: Code, function: ast.FunctionDef, made: bool = False) -> bool:
    """Every hook that the file registers is this function, and every use of its name registers it.

    made: what it returns is.
    """
    calls = [node for node in ast.walk(code.tree) if isinstance(node, ast.Call) and "hook" in ast.unparse(node.func)]
    calls = [call for call in calls if not made or call.func is not _callee(call, function.name)]
    given = [call.args[0] for call in calls if call.args]
    if made:
        given = [each.func for each in given if isinstance(each, ast.Call)]
    method = isinstance(code.above[id(function)], ast.ClassDef)
    wanted = f"self.{function.name}" if method else function.name
    registered = [ast.unparse(call.func).endswith(_REGISTERING) for call in calls]
    named = [node for node in ast.walk(code.tree) if _name(node) == function.name]
    same = [node for node in ast.walk(code.tree) if isinstance(node, ast.FunctionDef) and node.name == function.name]
    uses = len(given) == len(calls) == len(named) > 0 and len(same) == 1
    return uses and all(registered) and all(ast.unparse(each) == wanted for each in given)


def _callee(call: ast.Call, name: str) -> ast.expr | None:
    """What is called, if that is the function of this name: `self._make_hook(n)` registers nothing."""
    return call.func if _name(call.func) == name else None


def _name(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _edits(code: Code, hook: ast.FunctionDef, output: str) -> tuple[Edit, ...]:
    """Empty where a write has no form that binds the name of the output."""
    edits: list[Edit] = []
    statements = (ast.AugAssign, ast.Expr, ast.Assign)
    found = [node for node in ast.walk(hook) if isinstance(node, statements) and written(node) == output]
    for node in sorted(found, key=lambda each: (each.lineno, each.col_offset)):
        outcome = fix_at(code, node.value if isinstance(node, ast.Expr) else node)
        if outcome is None or not isinstance(outcome.fix, Fix):
            return ()
        edits += outcome.fix.edits
    start = f"{output} = "
    if found and hook.body[-1] in found and edits[-1].text.startswith(start) and "\n" not in edits[-1].text:
        return (*edits[:-1], replace(edits[-1], text=f"return {edits[-1].text.removeprefix(start)}"))
    behind = code.after_statement(hook.body[-1], f"return {output}")
    return () if behind is None else (*edits, behind)


def _excused(code: Code, hook: ast.FunctionDef, output: str) -> tuple[str, ...]:
    """Torch looks at what the hook returns, and the caller of the module at what it makes of that."""
    name = code.qualified(hook)
    return f"{name}() returned ", f"{name}() argument {output} "


REPAIR = Repair(
    name=_NAME,
    what="Lets a forward hook return the new output: `output.mul_(mask)` becomes `return output.mul(mask)`.",
    why="The module's last operation may have kept its output, which the hook overwrites. What a forward hook returns "
    "takes the output's place; what it returned before was nothing.",
    propose=propose,
)
