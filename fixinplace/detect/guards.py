"""Which branch of an `if` runs in evaluation alone, where callers switch grad mode off: by the flag of modules, by
the flag of callers, by grad mode itself, and by a local name of one of these.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Mapping

_TRAINING = ("training", "is_training", "is_train")
_EVALUATING = ("inference", "infer", "is_inference", "inference_mode", "test_mode")
_BINDING = frozenset((ast.Assign, ast.Name))
_NO_GUARDS: Mapping[str, int] = {}


def evaluating(test: ast.expr, guards: Mapping[str, int] = _NO_GUARDS) -> int | None:
    """Which branch of an `if` runs in evaluation alone: 0 for its body, 1 for its `else`.

    guards: what `local_guards` found in the function at hand.
    """
    match test:
        case ast.Name(id=name) if name in guards:
            return guards[name]
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return 1 if name in _TRAINING else 0 if name in _EVALUATING else None
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name), args=[], keywords=[]):
            return 1 if name == "is_grad_enabled" else 0 if name == "is_inference_mode_enabled" else None
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inner = evaluating(operand, guards)
            return None if inner is None else 1 - inner
        case ast.BoolOp(op=op, values=values):
            branch = 0 if isinstance(op, ast.And) else 1
            return branch if branch in [evaluating(value, guards) for value in values] else None
    return None


def local_guards(nodes: Iterable[ast.AST]) -> dict[str, int]:
    """Names that one assignment binds to a test of this kind: `fast = not torch.is_grad_enabled()`.

    nodes: all nodes of a function's body.
    """
    bound: Counter[str] = Counter()
    found: dict[str, int] = {}
    for node in (one for one in nodes if type(one) in _BINDING):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                branch = evaluating(value)
                if branch is not None:
                    found[name] = branch
            case ast.Name(id=name, ctx=ast.Store()):
                bound[name] += 1
    return {name: branch for name, branch in found.items() if bound[name] == 1}
