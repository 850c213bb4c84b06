"""Functions that write an argument and return something else: the new tensor can go back beside that.

Note [Beside the value]
    `def f(x): x.add_(1); return x.sum()` becomes `return x, x.sum()`, and each call takes what it wants:
    `y, s = f(y)` where it looks at its argument later, `y = f(y)[0]` where it drops the value, `f(y)[1]` where nobody
    looks.  The tensor comes first, so that it is bound before the targets of the statement are reached, which may
    read it.  All calls are in sight (see Note [Callers in sight]), and each has to have such a form; nothing else may
    be rewritten in a statement that is edited so.  A `finally` may write after a `return` has looked: no tensor goes
    back past one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from fixinplace.detect.callers import ways_out
from fixinplace.detect.index import parameter_names
from fixinplace.detect.liveness import Function
from fixinplace.detect.program import Key, Program
from fixinplace.model import Call, Edit, Place, Span, Usage
from fixinplace.source import Text
from fixinplace.walking import every, walk


def returning_beside(part: Text, function: Function) -> dict[str, tuple[Edit, ...]]:
    """Parameters that a function could return before its value on every way out, with the edits that make it do so."""
    returns, rebound = ways_out(function)
    values = [one.value for one in returns if one.value is not None]
    whole = bool(returns) and len(values) == len(returns) and returns[-1] is function.body[-1]
    late = any(isinstance(one, ast.Try | ast.TryStar) and one.finalbody for one in walk(function))
    if not whole or late or function.returns is not None:
        return {}
    kept = [name for name in parameter_names(function) if name not in rebound]
    return {name: tuple(edit for value in values for edit in _first(part, value, name)) for name in kept}


def taken_beside(program: Program, key: Key, parameter: str) -> tuple[Edit, ...] | None:
    """The edits of a function, and of all its calls, that bring a written parameter back; None if one is impossible."""
    if parameter not in program.beside.get(key, {}):
        return None
    edits = list(program.beside[key][parameter])
    spans = [edit.span for edit in edits]
    for call in program.handed[key].get(parameter, {}).values():
        taken = _taken(program, call) if call is not None else None
        if call is None or taken is None:
            return None
        edits += taken
        spans.append(call.statement)
    return tuple(edits) if not any(_is_rewritten(program, span) for span in spans) else None


def _is_rewritten(program: Program, span: Span) -> bool:
    """True if a statement that holds these offsets may be edited for another reason."""
    for seen in program.observed.values():
        assert isinstance(seen.root, (ast.expr, ast.stmt))
        around = [program.part.span(seen.root), *(call.statement for call in seen.calls.values())]
        if any(one.start <= span.end and span.start <= one.end for one in around):
            return True
    return False


def _taken(program: Program, call: Call) -> list[Edit] | None:
    """The edits of one call; None if it looks at its argument where no tensor can be bound."""
    if not _has_place(program, call):
        return None
    start, end = Span(call.span.start, call.span.start), Span(call.span.end, call.span.end)
    if call.place is Place.TEMPORARY or call.usage is Usage.REBOUND:
        return [] if call.usage is Usage.STATEMENT else [Edit(end, "[1]")]
    if call.usage is Usage.STATEMENT:
        return [Edit(start, f"{call.target} = "), Edit(end, "[0]")]
    node = next((n for n in every(program.tree, ast.Assign) if program.part.span(n) == call.statement), None)
    if node is None or len(node.targets) != 1 or program.part.span(node.value) != call.span:
        return None
    return list(_first(program.part, node.targets[0], call.target))


def _has_place(program: Program, call: Call) -> bool:
    """False for a call in an f-string, of which Python 3.11 tells wrong positions."""
    found = [n for n in every(program.tree, ast.Call) if program.part.span(n) == call.span]
    node: ast.AST | None = found[0] if len(found) == 1 else None
    while node is not None and not isinstance(node, (ast.stmt, ast.JoinedStr)):
        node = program.above.get(id(node))
    return isinstance(node, ast.stmt)


def _first(part: Text, node: ast.expr, name: str) -> Iterator[Edit]:
    """The edits that put a name before an expression, which becomes the second of two."""
    span = part.span(node)
    bare = isinstance(node, ast.Tuple) and not _is_enclosed(part.slice(span))
    yield Edit(Span(span.start, span.start), f"{name}, {'(' * bare}")
    if bare:
        yield Edit(Span(span.end, span.end), ")")


def _is_enclosed(text: str) -> bool:
    """True for the text of a tuple that stands in parentheses of its own."""
    call = ast.parse(f"f({text})", mode="eval").body
    return isinstance(call, ast.Call) and len(call.args) == 1 and not isinstance(call.args[0], ast.Starred)
