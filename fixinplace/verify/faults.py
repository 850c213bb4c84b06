"""An exception as `inputs.mend` reads it: message, names in the failing statement, and the numbers that it compares."""

from __future__ import annotations

import ast
import itertools
import linecache
from collections.abc import Iterator
from functools import lru_cache
from types import FrameType, TracebackType
from typing import Any

import torch

from fixinplace.inputs.situation import Fault

_MAX_FRAMES = 4


def fault_of(error: BaseException, model: object) -> Fault:
    """What an exception tells; `model` is the object that was built before, if one was."""
    frames = list(_traces(error.__traceback__))
    user = [trace for trace in frames if not _is_torch(trace.tb_frame)] or frames
    names: dict[str, None] = {}
    pairs: dict[tuple[int, int], None] = {}
    for trace in reversed(user[-_MAX_FRAMES:]):
        node = _statement(trace)
        if node is None:
            continue
        condition = _condition(trace, node)
        for each in ast.walk(condition if condition is not None else node):
            if isinstance(each, ast.Name):
                names.setdefault(each.id)
            elif isinstance(each, ast.Attribute):
                names.setdefault(each.attr)
        if condition is not None and trace is user[-1]:
            for pair in _pairs(condition, trace.tb_frame):
                pairs.setdefault(pair)
    texts = tuple(dict.fromkeys(_texts(user[-1]))) if user else ()
    blamed = tuple(dict.fromkeys(_blamed(user[-1]))) if user else ()
    function = user[-1].tb_frame.f_code.co_qualname if user else ""
    return Fault(
        type(error).__name__,
        str(error)[:2000],
        function,
        tuple(names),
        tuple(pairs),
        texts,
        blamed,
        started=model is not None,
    )


def _traces(trace: TracebackType | None) -> Iterator[TracebackType]:
    inside = False
    while trace is not None:
        inside = inside or trace.tb_frame.f_code.co_filename.startswith("<made")
        if inside:
            yield trace
        trace = trace.tb_next


def _is_torch(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] == "torch"


def _statement(trace: TracebackType) -> ast.stmt | None:
    """The innermost statement at a line of a frame."""
    return _at("".join(_lines(trace)), trace.tb_lineno)[0]


def _blamed(trace: TracebackType) -> Iterator[str]:
    """Names in the very expression whose instruction failed: `xs` of `for x in xs: ...`, `a` and `b` of `a + b`."""
    code, statement = trace.tb_frame.f_code, _statement(trace)
    line, end_line, column, end_column = next(itertools.islice(code.co_positions(), trace.tb_lasti // 2, None))
    if statement is None or line is None or end_line is None or column is None or end_column is None:
        return
    place = (line, column, end_line, end_column)
    iterated = next((inside for node in ast.walk(statement) for inside in _iterated(node, place)), None)
    for each in ast.walk(statement):
        name = _name(each)
        if isinstance(each, ast.expr) and name and each.end_lineno is not None and each.end_col_offset is not None:
            begins, ends = (each.lineno, each.col_offset), (each.end_lineno, each.end_col_offset)
            if (line, column) <= begins and ends <= (end_line, end_column) and (iterated is None or each in iterated):
                yield name


def _name(node: ast.AST) -> str:
    """What stands for a value: a name, an attribute's, or the key of a dictionary."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _iterated(node: ast.AST, place: tuple[int, int, int, int]) -> Iterator[list[ast.AST]]:
    """What a comprehension at a place goes through: that is all that its outer frame can fail of."""
    if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)) and place == (
        node.lineno,
        node.col_offset,
        node.end_lineno,
        node.end_col_offset,
    ):
        yield [*ast.walk(node.generators[0].iter)]


def _lines(trace: TracebackType) -> list[str]:
    return linecache.getlines(trace.tb_frame.f_code.co_filename, trace.tb_frame.f_globals)


@lru_cache(maxsize=512)
def _at(text: str, line: int) -> tuple[ast.stmt | None, ast.expr | None]:
    """The innermost statement at a line, and the condition of the innermost `if` around it; a search asks often."""
    tree = _tree(text) if text else None
    found: ast.stmt | None = None
    around: ast.If | None = None
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno):
            if found is None or (node.lineno, node.col_offset) > (found.lineno, found.col_offset):
                found = node
            if isinstance(node, ast.If) and (around is None or node.lineno > around.lineno):
                around = node
    return found, None if around is None else around.test


_TREES: dict[str, ast.Module | None] = {}


def _tree(text: str) -> ast.Module | None:
    if text not in _TREES:
        try:
            _TREES[text] = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):
            _TREES[text] = None
    return _TREES[text]


def _condition(trace: TracebackType, node: ast.stmt) -> ast.expr | None:
    """What an `assert` asserts, or the condition of the `if` around a `raise`."""
    if isinstance(node, ast.Assert):
        return node.test
    if not isinstance(node, ast.Raise):
        return None
    return _at("".join(_lines(trace)), node.lineno)[1]


def _texts(trace: TracebackType) -> Iterator[str]:
    """Strings that the failing statement, or the condition around its `raise`, compares a string with."""
    node = _statement(trace)
    condition = _condition(trace, node) if node is not None else None
    for each in ast.walk(condition) if condition is not None else ():
        if isinstance(each, ast.Compare) and isinstance(_value(each.left, trace.tb_frame), str):
            wanted = _value(each.comparators[0], trace.tb_frame)
            options = [wanted] if isinstance(wanted, str) else wanted if isinstance(wanted, _CONTAINERS) else ()
            yield from sorted(option for option in options if isinstance(option, str))


_CONTAINERS = (list, tuple, set, frozenset, dict)


def _pairs(condition: ast.expr, frame: FrameType) -> Iterator[tuple[int, int]]:
    """Numbers that are compared and differ; of `a % b == 0`, a and the nearest multiple of b."""
    for node in ast.walk(condition):
        if not isinstance(node, (ast.Compare, ast.BinOp)):
            continue
        if isinstance(node, ast.BinOp):
            if isinstance(node.op, ast.Mod):
                a, b = _value(node.left, frame), _value(node.right, frame)
                if type(a) is int and type(b) is int and b and a % b:
                    yield a, max(1, round(a / b)) * b
            continue
        left, right = _value(node.left, frame), _value(node.comparators[0], frame)
        for got, want in _matched(left, right):
            if isinstance(node.ops[0], (ast.Gt, ast.GtE, ast.Lt, ast.LtE)):
                continue
            yield got, want


def _matched(left: object, right: object) -> Iterator[tuple[int, int]]:
    if type(left) is int and type(right) is int and left != right:
        yield left, right
    elif isinstance(left, (tuple, list)) and isinstance(right, (tuple, list)):
        for one, two in zip(left, right, strict=False):
            yield from _matched(one, two)
    elif (
        type(left) is int
        and isinstance(right, (tuple, list, set, range))
        and right
        and all(type(each) is int for each in right)
    ):
        for each in list(right)[:3]:
            yield from _matched(left, each)


def _value(node: ast.expr, frame: FrameType) -> Any:
    """What an expression of names, attributes, subscripts, sizes and sums is worth in a frame; None for others."""
    allowed = (ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.BinOp, ast.UnaryOp, ast.Tuple, ast.List,
               ast.Load, ast.operator, ast.unaryop, ast.Slice, ast.Call, ast.Set)  # fmt: skip
    for each in ast.walk(node):
        if not isinstance(each, allowed):
            return None
        if isinstance(each, ast.Call) and ast.unparse(each.func).rpartition(".")[2] not in (
            "len",
            "size",
            "dim",
            "max",
            "min",
        ):
            return None
    try:
        value = eval(compile(ast.Expression(node), "<condition>", "eval"), frame.f_globals, frame.f_locals)
    except Exception:
        return None  # what cannot be evaluated again tells nothing
    if isinstance(value, torch.Size):
        return tuple(value)
    return value
