"""A forward hook that writes the output it is given: what a hook returns takes the output's place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace

from fixinplace.model import Edit, Fix
from fixinplace.repair.base import Change, Proposal, Repair, Scene, Tier
from fixinplace.repair.code import Code
from fixinplace.repair.copying import written
from fixinplace.repair.ran import fix_at

_NAME = "hook-return"
_REGISTERING = "register_forward_hook"
_OUTPUT = -1  # the last argument, with and without `with_kwargs=True`


def propose(scene: Scene) -> Iterator[Proposal]:
    """All writes of a hook to its output made out of place, and the new output returned."""
    for write in scene.offence.writes[:1]:
        spot = scene.node(write.place)
        hook = None if spot is None else _hook(*spot)
        if spot is None or hook is None:
            continue
        code, output = spot[0], hook.args.args[_OUTPUT].arg
        edits = _edits(code, hook, output)
        if edits:
            title = f"`{hook.name}` returns the new `{output}`, which takes the place of the module's"
            yield Proposal(
                _NAME, Tier.PATCH, title, (Change(code.path, edits),), rank=11, excused=_excused(code, hook, output)
            )


def _hook(code: Code, node: ast.expr | ast.stmt) -> ast.FunctionDef | None:
    """The function around a write to its last argument, if the file makes it a forward hook and it returns nothing."""
    function = code.function(node)
    if not isinstance(function, ast.FunctionDef) or not function.args.args:
        return None
    own = [each for each in ast.walk(function) if isinstance(each, (ast.Return, ast.Yield, ast.YieldFrom, ast.Lambda))]
    to_output = written(code.statement(node)) == function.args.args[_OUTPUT].arg
    return function if to_output and not own and _is_registered(code, function.name) else None


def _excused(code: Code, hook: ast.FunctionDef, output: str) -> tuple[str, ...]:
    """Torch looks at what the hook returns, and the caller of the module at what it makes of that."""
    names = [hook.name]
    for up in code.up(hook):
        if isinstance(up, ast.ClassDef):
            names.insert(0, up.name)
        elif isinstance(up, (ast.FunctionDef, ast.AsyncFunctionDef)):
            names.insert(0, f"{up.name}.<locals>")
    name = ".".join(names)
    return f"{name}() returned ", f"{name}() argument {output} "


def _is_registered(code: Code, name: str) -> bool:
    for node in ast.walk(code.tree):
        match node:
            case ast.Call(func=ast.Attribute(attr=called), args=[given, *_]) if called == _REGISTERING:
                if ast.unparse(given).rpartition(".")[2] == name:
                    return True
    return False


def _edits(code: Code, hook: ast.FunctionDef, output: str) -> tuple[Edit, ...]:
    """Empty where a write has no form that binds the name of the output."""
    edits: list[Edit] = []
    last = hook.body[-1]
    for node in ast.walk(hook):
        if not isinstance(node, (ast.AugAssign, ast.Expr, ast.Assign)) or written(node) != output:
            continue
        outcome = fix_at(code, node.value if isinstance(node, ast.Expr) else node)
        if outcome is None or not isinstance(outcome.fix, Fix):
            return ()
        made = list(outcome.fix.edits)
        if node is last and len(made) == 1 and made[0].text.startswith(f"{output} = "):
            return (*edits, replace(made[0], text=f"return {made[0].text.removeprefix(f'{output} = ')}"))
        edits += made
    behind = code.after_statement(last, f"return {output}")
    if behind is None:
        return ()
    return (*edits, behind)


REPAIR = Repair(
    name=_NAME,
    what="Lets a forward hook return the new output: `output.mul_(mask)` becomes `return output.mul(mask)`.",
    why="The module's last operation may have kept its output, which the hook overwrites. What a forward hook returns "
    "takes the output's place; what it returned before was nothing.",
    propose=propose,
)
