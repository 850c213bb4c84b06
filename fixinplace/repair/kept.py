"""Who else holds a written tensor, of those that a run need not look at.

Note [What is kept]
    Where a write is made out of place, an object, a container or an array that holds the tensor keeps the old values.
    That nobody has read them in this run says nothing of the next evaluation or checkpoint, and no comparison of what
    the run computes can show it.  So clones are tried first, what an object holds is not left behind at all, and the
    rest is told.
"""

from __future__ import annotations

import ast

from fixinplace.repair.code import Code
from fixinplace.trace.events import ARRAY, Write

_VIEW = " (view)"


def keeper(write: Write, code: Code, node: ast.expr | ast.stmt) -> str | None:
    """Whoever holds the tensor at the write, but for names of functions and what the statement itself speaks of."""
    spoken = [each for each in ast.walk(code.statement(node)) if isinstance(each, ast.expr)]
    own = {text for each in spoken for text in (code.source_of(each), ast.unparse(each))}
    names = (name.removesuffix(_VIEW) for name in write.names)
    return next((name for name in names if (name == ARRAY or "." in name or "[" in name) and name not in own), None)


def is_object(keeper: str | None) -> bool:
    """True for the attribute of an object, which outlives the function, or a place below one."""
    return keeper is not None and "." in keeper


def told(keeper: str | None) -> tuple[str, ...]:
    """What the report says of it."""
    return () if keeper is None else (f"`{keeper}` holds the tensor as well, and keeps its old values",)
