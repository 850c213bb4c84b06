"""What the base of a view is once the view has a new value.

Note [Putting back]
    Each view has an inverse: where it keeps all elements (`t`, `permute`, `view`) the base is another view of the new
    value; where it keeps some, torch has a scatter that copies the base with the new value in place of the old one
    (`select_scatter`, `slice_scatter`, `diagonal_scatter`).  A chain is put back from its end:
    `x.t()[0]` with the value v is `x.t().select_scatter(v, 0, 0).t()`.  Views of which several elements lie in one
    place have no inverse, and pieces whose sizes are not written down none that could be spelled.  What `as_strided`
    gives is written in a clone: `as_strided_scatter` hands its base the gradient of the elements that it overwrites,
    and none of the others (torch 2.13.0, against differences of values).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fixinplace.detect.apart import parts as indices
from fixinplace.model import View

_OWN_INVERSE = ("t", "T", "mT", "H", "mH", "adjoint", "transpose", "swapaxes", "swapdims")
_SHAPES = ("view", "view_as", "unflatten", "squeeze", "reshape", "reshape_as", "flatten", "ravel")
_TURNS = (*_OWN_INVERSE, "movedim", "moveaxis", "permute")
_CATS = ("chunk", "split", "split_with_sizes", "tensor_split")
_REAL = re.compile(r"\.(slice|select)_scatter\(")
ASSUMES = "the tensors that a part is put back into are real"
_MOST_SCATTERS = 1
"""A chain that needs more is read more easily as a clone and a store."""


def seen(base: str, steps: Sequence[View]) -> str:
    """The text of a view of `base`."""
    for step in steps:
        base = f"{step.before}{base}{step.after}"
    return base


@dataclass(frozen=True, slots=True)
class Around:
    """What the text may use: the name of torch, and names that hold views of the base, by what leads to them.

    complex: the base may be complex, for which `slice_scatter` and `select_scatter` have no gradient (torch 2.13).
    """

    torch: str | None = None
    names: Mapping[tuple[View, ...], str] = field(default_factory=dict)
    complex: bool = False


def is_piece(steps: Sequence[View]) -> bool:
    """True if a view is one of several that a call gives: torch takes no write into it."""
    return any(step.op.endswith("[]") for step in steps)


def put(base: str, steps: Sequence[View], value: str, around: Around) -> str | None:
    """The new base, as text; None where that cannot be spelled, or only so that nobody would want to read it."""
    if sum(not keeps_all([step]) for step in steps) > _MOST_SCATTERS or any(s.op == "as_strided" for s in steps):
        return None
    for n in range(len(steps) - 1, -1, -1):
        inner = seen(base, steps[:n])
        back = _joined(steps[: n + 1], base, value, around) or _back(steps[n], inner, value, around)
        if back is None:
            return None
        value = back
    return value


def keeps_all(steps: Sequence[View]) -> bool:
    """True if the views leave out no element: the base can be a view of the new value."""
    return all(_inverse(step, "b", "v") is not None for step in steps)


def _back(step: View, base: str, value: str, around: Around) -> str | None:
    scattered = _inverse(step, base, value) or _scattered(step, base, value)
    return None if scattered is not None and around.complex and is_for_real(scattered) else scattered


def is_for_real(text: str) -> bool:
    """True if a text puts something back by a scatter that has no gradient for complex tensors."""
    return _REAL.search(text) is not None


def _joined(steps: Sequence[View], base: str, value: str, around: Around) -> str | None:
    """All pieces put together again, the new one in its place."""
    *before, last = steps
    cut = last.op.removesuffix("[]")
    if any(step.op in _TURNS for step in before) and any(one.op in _SHAPES for known in around.names for one in known):
        return None  # what is joined lies in order, its base then does not, and a `view` of that may not exist
    if cut == last.op or around.torch is None or cut not in (*_CATS, "unbind"):
        return None
    index, count, *given = last.arguments
    pieces = []
    for i in range(int(count)):
        step = View(last.op, last.before, last.after[: last.after.rindex("[")] + f"[{i}]", (str(i), count, *given))
        known = around.names.get((*before, step))
        pieces.append(value if str(i) == index else known or seen(base, (*before, step)))
    dimension = _dimension(given, 0 if cut == "unbind" else 1)
    if not pieces or dimension is None:
        return None
    joining = "stack" if cut == "unbind" else "cat"
    end = f", {dimension}" if dimension else ""
    return f"{around.torch}.{joining}(({', '.join(pieces)}{',' * (len(pieces) == 1)}){end})"


def _dimension(given: Sequence[str], position: int) -> str | None:
    """The dimension that a cut goes along, `` for the first one; None if that is not plain to see."""
    words = [one for one in given if "=" not in one]
    named = [one for one in given if "=" in one]
    if any(not one.startswith("dim=") for one in named) or len(words) > position + 1:
        return None
    return named[0].removeprefix("dim=") if named else words[position] if len(words) > position else ""


def _inverse(step: View, base: str, value: str) -> str | None:
    """The base as a view of the new value."""
    given = ", ".join(step.arguments)
    if step.op in _OWN_INVERSE:
        return f"{value}.{step.op}" + (f"({given})" if step.after.endswith(")") else "")
    if step.op in ("movedim", "moveaxis") and len(step.arguments) == 2 and "=" not in given:
        return f"{value}.{step.op}({step.arguments[1]}, {step.arguments[0]})"
    if step.op == "permute":
        order = _integers(step.arguments)
        back = sorted(range(len(order)), key=lambda i: order[i]) if sorted(order) == list(range(len(order))) else []
        return f"{value}.permute({', '.join(map(str, back))})" if back else None
    if step.op == "unsqueeze" or (step.op == "index" and given == "None"):
        return f"{value}.squeeze({given if step.op == 'unsqueeze' else 0})"
    if step.op in _SHAPES and not any(word in given for word in ("torch.", "dtype")):
        return f"{value}.reshape({base}.shape)"
    return None


def _integers(arguments: Sequence[str]) -> list[int]:
    """The dimensions of `permute(2, 0, 1)` and `permute((2, 0, 1))`; none if they are not written as numbers."""
    try:
        found = ast.literal_eval(f"[{', '.join(arguments)}]")
    except (ValueError, SyntaxError):
        return []
    flat = found[0] if len(found) == 1 and isinstance(found[0], list | tuple) else found
    return list(flat) if all(isinstance(one, int) for one in flat) else []


def _scattered(step: View, base: str, value: str) -> str | None:
    """A copy of the base with the new value in place of the view."""
    given = step.arguments
    plain = not any("=" in one for one in given)
    match step.op:
        case "select" if len(given) == 2 and plain:
            return f"{base}.select_scatter({value}, {given[0]}, {given[1]})"
        case "narrow" if len(given) == 3 and plain:
            words = _range(given[1], given[2])
            return f"{base}.slice_scatter({', '.join((value, given[0], *words))})" if words else None
        case "diagonal":
            return f"{base}.diagonal_scatter({', '.join((value, *given))})"
        case "index":
            return _indexed(given[0], base, value)
    return None


def _range(start: str, length: str) -> tuple[str, ...]:
    """Where a slice begins and ends, which for one that begins at -2 may be nowhere; none unless both are written."""
    try:
        begin, count = ast.literal_eval(start), ast.literal_eval(length)
    except (ValueError, SyntaxError):
        return ()
    if type(begin) is not int or type(count) is not int:
        return ()
    return (start,) if begin < 0 and begin + count == 0 else (start, str(begin + count))


def _indexed(index: str, base: str, value: str) -> str | None:
    """`x[i]`, `x[:, a:b]`, `x[..., i]`: one dimension, of which a position or a range is taken."""
    parts = indices(index)
    dimension = 0
    if parts and isinstance(parts[0], ast.Constant) and parts[0].value is ...:
        dimension, parts = -1, parts[1:]
    while len(parts) > 1 and dimension >= 0 and ast.unparse(parts[0]) == ":":
        dimension, parts = dimension + 1, parts[1:]
    if len(parts) != 1:
        return None
    match parts[0]:
        case ast.Slice(lower=lower, upper=upper, step=step):
            words = [ast.unparse(one) if one is not None else "None" for one in (lower, upper, step)]
            while words and words[-1] == "None":
                words.pop()
            words = [words[0].replace("None", "0"), *words[1:]] if words else []
            if {"True", "False"} & {*words}:
                return None
            return f"{base}.slice_scatter({', '.join((value, str(dimension), *words))})"
        case ast.Constant(value=bool()):
            return None
        case ast.Constant(value=int()) | ast.UnaryOp() | ast.Name() | ast.BinOp():
            return f"{base}.select_scatter({value}, {dimension}, {ast.unparse(parts[0])})"
    return None
