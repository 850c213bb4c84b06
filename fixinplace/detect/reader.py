"""Reads every function of a file a few times, until what they tell each other is known."""

from __future__ import annotations

import ast
import functools
from collections import Counter
from collections.abc import Iterator

from fixinplace.detect.assumed import readings
from fixinplace.detect.beside import returning_beside
from fixinplace.detect.callers import hands
from fixinplace.detect.changed import moved
from fixinplace.detect.evaluated import NAMES, runs_settings
from fixinplace.detect.frame import Place
from fixinplace.detect.index import ClassInfo, build, dotted, parameter_names, takes_self
from fixinplace.detect.kinds import Kind, Origin
from fixinplace.detect.liveness import Function, captured
from fixinplace.detect.lookups import finds_itself
from fixinplace.detect.own_kind import read_supposing
from fixinplace.detect.parameters import annotation, defaults_of, initial, trusts_callers
from fixinplace.detect.program import Key, Program
from fixinplace.detect.replacing import replace
from fixinplace.detect.state import State
from fixinplace.detect.statements import Statements
from fixinplace.detect.summary import Summary
from fixinplace.detect.surroundings import Surroundings
from fixinplace.detect.usage import compresses, decodes, numbers
from fixinplace.detect.values import NONE, UNKNOWN, Memory, Value, join, limited, overlap, tensor
from fixinplace.source import Text
from fixinplace.walking import above, every, walk

_ROUNDS = 8
_MOST_ROUNDS = 14
_PLAIN_DECORATORS = ("staticmethod", "classmethod", "no_grad", "enable_grad", "inference_mode", "override", "script",
                     "abstractmethod")  # fmt: skip


def read(part: Text, tree: ast.Module, imported: bool = False) -> Program:
    """Everything that was seen in the file; what is imported elsewhere has callers that do not stand in it."""
    program = Program(part, tree, build(tree), Surroundings(part, tree), read_by_functions=captured(tree.body))
    program.above = above(tree)
    elsewhere = {name for name in program.index.functions if imported and not name.startswith("_")}
    elsewhere |= program.index.closed if finds_itself(tree) else set()
    program.gives |= {NAMES} if runs_settings(tree) else set()
    program.index.closed, program.index.called = program.index.closed - elsewhere, program.index.called - elsewhere
    for info in program.index.classes.values():
        info.numbers = numbers(info.methods.values())
    rounds = 0
    while rounds < (_MOST_ROUNDS if program.hopes else _ROUNDS) and program.begin_round():
        rounds += 1
        program.piece = -1
        program.ledger.read(id(tree), lambda: _module(program, tree))
        for info in program.index.classes.values():
            program.piece = program.surroundings.at(info.node)
            _class(program, info)
        for name, function in program.index.functions.items():
            program.piece = program.surroundings.at(function)
            _unit(program, function, ("", name), None, name)
    if program.hopes and not program.is_settled():
        for seen in program.observed.values():
            seen.sure = min(seen.sure, 2)
    for seen in program.observed.values():  # a doubt may have come up after the last visit to a site
        seen.doubts |= dict.fromkeys(program.around(seen))
    return program


def _unit(program: Program, function: Function, key: Key, info: ClassInfo | None, name: str) -> None:
    """Read a function with all that is nested in it, if that may differ from the last round's."""
    read = functools.partial(_function, program, function, key, info, name)
    program.ledger.read(id(function), lambda: read_supposing(program, key, read))


def _module(program: Program, tree: ast.Module) -> None:
    body = [s for s in tree.body if not isinstance(s, Function)]
    frame = Statements(program, Place("<module>", ("", "<module>")), body, State())
    frame.run(body)
    program.globals = {k: v for k, v in frame.state.names.items() if k not in program.index.functions}
    _nested(program, frame, None)


def _class(program: Program, info: ClassInfo) -> None:
    body: list[ast.stmt] = [s for s in info.node.body if isinstance(s, (ast.Assign, ast.AnnAssign))]
    frame = Statements(program, Place(info.name, (info.name, "<class>"), info), body, State())
    frame.run(body)
    for name, value in frame.state.names.items():
        known = info.attrs.get(name)
        info.attrs[name] = value if known is None else join(known, value)
    _registered(info)
    for statement in body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            promised = annotation(program, statement.annotation)
            if promised is not None:
                info.attrs.setdefault(statement.target.id, promised)
    for method in sorted(info.methods.values(), key=lambda m: m.name != "__init__"):
        _unit(program, method, (info.name, method.name), info, f"{info.name}.{method.name}")


def _registered(info: ClassInfo) -> None:
    """Buffers and parameters that are registered by name."""
    for node in every(info.node, ast.Call):
        match node:
            case ast.Call(func=ast.Attribute(attr="register_buffer"), args=[ast.Constant(value=str(name)), *_]):
                info.attrs.setdefault(name, tensor(3, False))
                info.buffers.add(name)
            case ast.Call(func=ast.Attribute(attr="register_parameter"), args=[ast.Constant(value=str(name)), *_]):
                info.attrs.setdefault(name, replace(tensor(3, True), leaf=True))


def _function(program: Program, function: Function, key: Key, info: ClassInfo | None, name: str,
              enclosing: Statements | None = None) -> None:  # fmt: skip
    module = info is not None and program.index.is_module(info.name)
    decorators = [dotted(d.func if isinstance(d, ast.Call) else d) for d in function.decorator_list]
    values = initial(program, function, key, module, _built(program, function, key, name))
    names = parameter_names(function)
    first = names[0] if info and names and "staticmethod" not in decorators and enclosing is None else ""
    if first and info:
        values[first] = Value(Kind.MODULE if module else Kind.OTHER, name=info.name)
    place = Place(name, key, info, first or (enclosing.place.first_parameter if enclosing else ""), frozenset(names),
                  info is None and program.index.updates_parameters(function))  # fmt: skip
    state = State({**(_outer(enclosing) if enclosing else {}), **values})
    frame = Statements(program, place, function.body, state, _mode(program, function, key, info, enclosing))
    frame.seldom_on = program.runs_without_grad(key) and function.name != "forward"
    frame.seldom_on |= decodes(function.name) or compresses(function.name, info.methods if info else ())
    suspended = isinstance(function, ast.AsyncFunctionDef) or frame.shape.suspended
    if enclosing:
        frame.nested |= enclosing.nested
        frame.shadowed = enclosing.locals | enclosing.shadowed
    for outside in (*function.args.defaults, *filter(None, function.args.kw_defaults), *function.decorator_list):
        for each in every(outside, ast.Lambda):
            frame.evaluate(each)
    if suspended:
        frame.doubts = (*frame.doubts, "the function is suspended while others run")
    frame.run_each(function.body, readings(function))
    frame.settle_parts()
    result = frame.returned[0] if frame.returned else NONE
    for value in frame.returned[1:]:
        result = join(result, value)
    result = limited(result)  # a function that calls itself may return a table of tables without end
    if suspended and result.kind is Kind.NONE:
        result = UNKNOWN  # a generator or a coroutine, whatever it yields
    promised = annotation(program, function.returns)
    if promised is not None and result.kind in (Kind.UNKNOWN, Kind.NONE):
        result = replace(promised, memory=result.memory, maybe=result.maybe, flags=result.flags)
    own_work = all(d.rsplit(".", 1)[-1] in _PLAIN_DECORATORS for d in decorators)
    kept = frozenset(names) if frame.doubts or not own_work or suspended else frozenset(frame.kept) | _captured(frame)
    if info is None and not suspended:
        program.hands[key] = hands(frame, function)
        program.beside[key] = returning_beside(program.part, function)
    program.summaries[key] = Summary(_shown(result, frame, name, own_work), kept, dict(frame.into), dict(frame.keepers))
    _nested(program, frame, info)


def _built(program: Program, function: Function, key: Key, name: str) -> dict[str, Value]:
    """Modules that the function's defaults make: `def __init__(self, act=nn.ReLU(inplace=True))`."""
    values = {}
    for parameter, default in defaults_of(function).items():
        if isinstance(default, ast.Call):
            frame = Statements(program, Place(name, key), [], State())
            frame.root = default
            values[parameter] = frame.evaluate(default)
    return {name: value for name, value in values.items() if value.kind is Kind.MODULE}


def _shown(value: Value, frame: Statements, name: str, own_work: bool) -> Value:
    """A result as callers see it: what the function, or a decorator that may cache, holds is not the caller's alone."""
    foreign = Memory(Origin.FOREIGN, f"`{name}`")
    held = frozenset(
        foreign if m.origin is Origin.ALLOCATED and (not own_work or overlap(frozenset((m,)), frame.held)) else m
        for m in value.memory
    )
    items = tuple(_shown(item, frame, name, own_work) for item in value.items)
    return replace(value, memory=held, items=items)


def _captured(frame: Statements) -> frozenset[str]:
    """Parameters that a nested function, class or generator can reach when the function has returned."""
    held = [frame.state.names[name] for name in frame.captured if name in frame.state.names]
    reached = {m.label for value in held for m in value.memory | value.maybe if m.origin is Origin.PARAMETER}
    return frozenset(reached) | (frame.captured & frame.place.parameters)


def _outer(enclosing: Statements) -> dict[str, Value]:
    """Names of the enclosing function, as a nested one sees them: their memory belongs to the outside."""
    names = {}
    bound = Counter(_binders(enclosing.body))
    bound.update(enclosing.place.parameters)
    for name, value in enclosing.state.names.items():
        outside = moved(value, Memory(Origin.GLOBAL, name)) if value.kind is not Kind.MODULE else value
        unsure = value.tensor and bound[name] != 1  # which value a call finds there is not known
        names[name] = replace(outside, sure=min(value.sure, 2)) if unsure else outside
    return names


def _binders(body: list[ast.stmt]) -> Iterator[str]:
    """Each name once for every place, in nested functions too, that may bind it."""
    for node in (node for statement in body for node in walk(statement)):
        match node:
            case ast.Name(id=name) if not isinstance(node.ctx, ast.Load):
                yield name
            case ast.alias(name=name, asname=None) | ast.alias(asname=str(name)):
                yield name.partition(".")[0]
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name
            case ast.MatchMapping(rest=str(name)):
                yield name


def _nested(program: Program, frame: Statements, info: ClassInfo | None) -> None:
    for name, function in frame.nested.items():
        if any(function is statement for s in frame.body for statement in walk(s)):
            full = f"{frame.place.name}.{name}"
            _function(program, function, ("", full), info, full, frame)


def _mode(program: Program, function: Function, key: Key, info: ClassInfo | None, enclosing: Statements | None) -> bool:
    """Grad mode at the function's start: decorators, the callers in this file, bodies of `autograd.Function`."""
    static = info is not None and enclosing is None and function.name in ("forward", "backward", "setup_context")
    if static and info and program.index.derives(info.name, "Function") and not takes_self(function):
        return False
    grad = True
    if function.decorator_list:
        probe = Statements(program, Place("<decorators>", key), [], State())
        for decorator in function.decorator_list:
            grad = probe.switched(decorator, grad)
    if info is not None and function.name == "forward":
        return grad  # a module is called from anywhere, whatever this file does with it
    return grad and not (_is_called_here_alone(program, key) and program.runs_without_grad(key))


def _is_called_here_alone(program: Program, key: Key) -> bool:
    """True for functions, methods and nested functions that by their names are not for other files to call."""
    owner, name = key
    return trusts_callers(program, key) or (bool(owner) and name.startswith("_") and name[1:2] != "_") or "." in name
