"""A loop over the rows of a tensor that writes them in place, by their numbers: `x[i]` is a view that may be written.

Note [Rows by number]
    Torch refuses a write to one of the views that iterating or `unbind` returns together; a view of its own, `x[i]`,
    it rebases.  The write stays in place, so whoever looks at the whole sees it as before.  What `zip` goes through
    beside the tensor stays; where it is longer than the tensor the number runs out of range, and a run shows that.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fixinplace.model import Edit, Span
from fixinplace.repair.base import Change, Proposal, Tier
from fixinplace.repair.code import Code

_OWN_SCOPE = (ast.Lambda, ast.FunctionDef, ast.AsyncFunctionDef, ast.ListComp, ast.SetComp, ast.DictComp)
_NUMBERS = ("i", "index", "row_index")


@dataclass(frozen=True, slots=True)
class _Header:
    """A loop's header by numbers: target and iterable, the number's name, and the tensor that it counts."""

    target: str
    over: str
    number: str
    whole: str


def by_number(code: Code, loop: ast.For, row: str, whole: str, along: int) -> Iterator[Proposal]:
    """`for row in x: row.mul_(2)` as `for i in range(len(x)): x[i].mul_(2)`."""
    header = _header(code, loop, row, whole, along)
    reads = [n for each in loop.body for n in ast.walk(each) if isinstance(n, ast.Name) and n.id == row]
    if header is None or not reads or not _is_simple(code, loop, row, whole, reads):
        return
    start, stop = code.text.span(loop.target).start, code.text.span(loop.iter).end
    index = ", ".join([*[":"] * along, *["..."] * (along < 0), header.number, *[":"] * (-along - 1)])
    edits = [Edit(Span(start, stop), f"{header.target} in {header.over}")]
    edits += [code.replace(each, f"{whole}[{index}]") for each in reads]
    title = f"the rows of `{whole}` written as `{whole}[{index}]`"
    yield Proposal("collect-rows", Tier.PATCH, title, (Change(code.path, tuple(edits)),), rank=14)


def _is_simple(code: Code, loop: ast.For, row: str, whole: str, reads: Sequence[ast.Name]) -> bool:
    """True if the loop binds neither the row nor the whole anew, and nobody reads the row elsewhere."""
    nodes = [each for node in loop.body for each in ast.walk(node)]
    stores = [each for each in nodes if isinstance(each, ast.Name) and not isinstance(each.ctx, ast.Load)]
    plain = [each for each in stores if not isinstance(code.above[id(each)], ast.AugAssign)]
    scopes = any(isinstance(each, _OWN_SCOPE) for each in nodes)
    home = code.function(loop) or code.tree
    names = sum(isinstance(each, ast.Name) and each.id == row for each in ast.walk(home))
    bound = sum(isinstance(each, ast.Name) and each.id == row for each in ast.walk(loop.target))
    free = not any(each.id in (row, whole) for each in plain) and not any(each.id == whole for each in stores)
    return free and not scopes and names == len(reads) + bound


def _header(code: Code, loop: ast.For, row: str, whole: str, along: int) -> _Header | None:
    """The header by numbers; None for one of another form."""
    match loop.target, loop.iter:
        case ast.Tuple(elts=[ast.Name(id=number), inner]), ast.Call(func=ast.Name(id="enumerate"), args=[over]):
            rest = _rest(code, inner, over, row)
        case inner, over:
            rest, number = _rest(code, inner, over, row), _free_name(code, loop)
    if rest is None or loop.iter.lineno != loop.target.lineno or not number:
        return None
    targets, others = rest
    if not others:
        size = f"len({whole})" if not along else f"{whole}.size({along})"
        return _Header(number, f"range({size})", number, whole)
    if len(others) == 1:
        return _Header(f"{number}, {targets[0]}", f"enumerate({others[0]})", number, whole)
    return _Header(f"{number}, ({', '.join(targets)})", f"enumerate(zip({', '.join(others)}))", number, whole)


def _rest(code: Code, target: ast.expr, over: ast.expr, row: str) -> tuple[list[str], list[str]] | None:
    """The targets and iterables of a `zip` beside the row; empty where the loop goes through nothing else."""
    match target, over:
        case ast.Name(id=name), _ if name == row:
            return [], []
        case ast.Tuple(elts=targets), ast.Call(func=ast.Name(id="zip"), args=parts, keywords=[]):
            pairs = list(zip(targets, parts, strict=False))
            others = [pair for pair in pairs if not (isinstance(pair[0], ast.Name) and pair[0].id == row)]
            if len(targets) == len(parts) == len(others) + 1:
                return [code.source_of(t) for t, _ in others], [code.source_of(p) for _, p in others]
    return None


def _free_name(code: Code, loop: ast.For) -> str:
    """A name for the number that the function does not know yet; empty if all are taken."""
    home = code.function(loop) or code.tree
    taken = {each.id for each in ast.walk(home) if isinstance(each, ast.Name)}
    taken |= {each.arg for each in ast.walk(home) if isinstance(each, ast.arg)}
    return next((name for name in _NUMBERS if name not in taken), "")
