"""`try` statements that may end an error of torch's, and what runs in them without being called by name.

Note [Errors that end unnoticed]
    Out of place, a program may raise where it did not, and go on where it died: whoever catches the error sees the
    difference.  What torch raises for a write, or at backward for what was written, is a plain `RuntimeError`: handlers
    for other errors end none.  A `try` around imports or the reading of a file meets none of torch's, unless what
    stands there runs code of the file itself: an item, a property, a text, a loop may.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fixinplace import catalogue, walking
from fixinplace.detect.handlers import (
    PLAIN_MODULES,
    bound,
    catches_torch,
    definitions,
    imported,
    is_another,
    raises_again,
    stored,
)
from fixinplace.detect.index import all_imports, dotted
from fixinplace.detect.liveness import Function
from fixinplace.detect.stand_ins import given_names, mocks
from fixinplace.walking import every, functions, remembered, walk

_PLAIN_CALLS = frozenset(
    "open int float str len print list dict tuple set isinstance range sorted repr type round min max bool callable"
    " hasattr abs chr ord input".split()
)
"""Builtins whose errors are none of torch's; classes of errors are others."""
_OF_TEXTS = frozenset(
    "read readline readlines strip lstrip rstrip split lower upper startswith endswith encode decode splitlines join"
    " format replace hexdigest close flush exists mkdir unlink is_file is_dir items keys values append extend"
    " index find count write update iter_content raise_for_status digest".split()
)
"""Methods of texts, files, lists, dicts, answers of servers, and check sums."""
_OWN_LOOPS = frozenset("range iter_content iter_lines items keys values split splitlines readlines enumerate".split())
"""What gives no elements that code of the file makes while a loop goes on, if `enumerate` is given such a thing."""
_OF_MODULES = frozenset("load_state_dict state_dict parameters named_parameters cuda cpu flatten_parameters".split())
_RESTORES = frozenset(
    "_load_from_state_dict _save_to_state_dict get_extra_state set_extra_state _apply __setstate__ __reduce__"
    " __reduce_ex__ __getstate__ _named_members".split()
)
"""Methods by which a class has code of its own run where its state is loaded, saved or moved."""
_OVERRIDES = frozenset(("__torch_function__", "__torch_dispatch__", "__array__"))
"""Methods by which a class has code of its own run where torch computes."""
_OF_TORCH = frozenset(
    "torch.load torch.save torch.device torch.hub.load_state_dict_from_url torch.hub.download_url_to_file"
    " torch.cuda.is_available torch.cuda.device_count torch.cuda.current_device torch.cuda.get_device_name"
    " torch.cuda.set_device torch.cuda.empty_cache torch.cuda.manual_seed torch.cuda.manual_seed_all"
    " torch.nn.utils.remove_weight_norm torch.nn.utils.remove_spectral_norm"
    " torch.manual_seed torch.get_default_dtype torch.compiler.is_compiling torch._dynamo.is_compiling"
    " torch.jit.is_scripting torch.jit.is_tracing torch.onnx.is_in_onnx_export torch.is_autocast_enabled".split()
)
"""Functions that compute nothing of what a file's code computes."""
_CALLED_BACK = frozenset("key default object_hook object_pairs_hook cls onerror filter target file".split())
"""Keywords for functions that a library calls."""
_THROUGH = frozenset("math random json csv struct pickle".split())
"""Modules that go through what they are given."""
_SUMS = re.compile(r"sha|md5|hash|digest|blake|crc")
_ITERATING = frozenset("list dict tuple set sorted min max".split())
_RUNS = {
    "__getitem__": "item", "__setitem__": "item", "__delitem__": "item", "__missing__": "item",
    "__iter__": "loop", "__next__": "loop", "__reversed__": "loop",
    "__str__": "text", "__repr__": "text", "__format__": "text", "__fspath__": "text",
    "__len__": "truth", "__bool__": "truth", "__contains__": "truth", "__eq__": "truth", "__ne__": "truth",
    "__lt__": "truth", "__le__": "truth", "__gt__": "truth", "__ge__": "truth", "__hash__": "truth",
    "__int__": "number", "__float__": "number", "__index__": "number", "__round__": "number",
    "__getattr__": "attribute", "__getattribute__": "attribute", "__get__": "attribute", "__set__": "attribute",
    "__enter__": "context", "__exit__": "context", "__aenter__": "context", "__aexit__": "context",
    "__instancecheck__": "truth", "__neg__": "truth", "__pos__": "truth", "__invert__": "truth",
    "__delattr__": "attribute", "__setattr__": "attribute", "extra_repr": "text",
    "emit": "text", "__reduce__": "text", "__reduce_ex__": "text", "__getstate__": "text",
    **{f"__{prefix}{name}__": "sum" for prefix in ("", "r") for name in (
        "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift")},
}  # fmt: skip
"""What a class may define that runs without being called by name, and where."""


def ends_errors(node: ast.Try | ast.TryStar, tree: ast.Module) -> bool:
    """True if a statement may catch what torch raises; see Note [Errors that end unnoticed]."""
    if not any(catches_torch(one.type, tree) and not raises_again(one, tree) for one in node.handlers):
        return False
    code = _code(tree)
    return not all(_is_apart(one, code, tree) for one in node.body)


def suppresses_other(tree: ast.Module) -> bool:
    """True if `contextlib.suppress` is only ever called, and never for an error that torch may raise."""
    named = [one for one in (*every(tree, ast.Name), *every(tree, ast.Attribute)) if _is_suppress(one)]
    calls = [one for one in every(tree, ast.Call) if _is_suppress(one.func)]
    renamed = any(full == "contextlib.suppress" and name != "suppress" for name, full in all_imports(tree))
    plain = not renamed and all(not one.keywords and all(is_another(each, tree) for each in one.args) for one in calls)
    return plain and len(named) == len(calls)


def _is_suppress(node: ast.expr) -> bool:
    return dotted(node).rpartition(".")[2] == "suppress"


@dataclass(frozen=True, slots=True)
class _Code:
    """Which code of the file may raise what torch does, and which does not.

    runs: what is run without a call: properties by name, the rest by the words of `_RUNS`.
    helpers: functions by whose names nothing else is called, and that only call what raises other errors.
    """

    runs: frozenset[str]
    helpers: frozenset[str]


@remembered
def _code(tree: ast.Module) -> _Code:
    code, known = _Code(frozenset(), frozenset(_plain_functions(tree))), None
    while code != known:
        known = code
        apart = {id(one) for one in functions(tree) if all(_is_apart(each, known, tree) for each in one.body)}
        runs = {kind for one in functions(tree) if id(one) not in apart for kind in _kinds(one)}
        runs |= {kind for one in every(tree, ast.ClassDef) for kind in _bound_kinds(one)}
        if any(dotted(one.func) == "type" and len(one.args) > 1 for one in every(tree, ast.Call)):
            runs |= {*_RUNS.values()}  # a class that no statement defines
        if any(map(_makes_items, every(tree, ast.Call))):
            runs.add("item")
        if any(_is_lazy(one, known, tree) for one in (*every(tree, ast.GeneratorExp), *every(tree, ast.Call))):
            runs.add("loop")
        plain = _plain_functions(tree).items()
        code = _Code(frozenset(runs), frozenset(name for name, one in plain if id(one) in apart))
    return code


@remembered
def _plain_functions(tree: ast.Module) -> Mapping[str, Function]:
    """Functions of the file that run when they are called, by names that stand for nothing else."""
    times = Counter([*(one.name for one in definitions(tree)), *stored(tree), *imported(tree)])
    plain = (one for one in tree.body if isinstance(one, ast.FunctionDef) and not one.decorator_list)
    return {one.name: one for one in plain if times[one.name] == 1}


def _kinds(function: Function) -> Iterator[str]:
    if function.name in _RUNS:
        yield _RUNS[function.name]
    if function.name in _OWN_LOOPS:
        yield "elements"
    if function.name == "__getitem__" or any(isinstance(one, ast.Yield | ast.YieldFrom) for one in walk(function)):
        yield "loop"
    decorators = [one.func if isinstance(one, ast.Call) else one for one in function.decorator_list]
    if any(dotted(one).rsplit(".", 1)[-1] not in _NO_PROPERTIES for one in decorators):
        yield f".{function.name}"


def _bound_kinds(cls: ast.ClassDef) -> Iterator[str]:
    """What a class binds without `def`: `loss = property(_loss)`, `__getitem__ = item`."""
    assigned = (one for one in cls.body if isinstance(one, ast.Assign) and not isinstance(one.value, ast.Constant))
    for name in (target.id for one in assigned for target in one.targets if isinstance(target, ast.Name)):
        yield _RUNS.get(name, f".{name}")


def _goes_through(function: ast.expr) -> bool:
    """True for methods that go through what they are given; what a check sum is given is bytes."""
    if not isinstance(function, ast.Attribute):
        return False
    sums = isinstance(function.value, ast.Name) and _SUMS.search(function.value.id.lower()) is not None
    return function.attr in ("join", "extend") or (function.attr == "update" and not sums)


def _makes_items(node: ast.Call) -> bool:
    """True for `defaultdict(lambda: ...)`, whose items may be computed when they are asked for."""
    plain = all(isinstance(one, ast.Name) and one.id in _PLAIN_CALLS for one in node.args[:1])
    return dotted(node.func).rpartition(".")[2] == "defaultdict" and not plain


def _is_lazy(node: ast.expr, code: _Code, tree: ast.Module) -> bool:
    """True for what computes only while somebody goes through it, and may raise what torch does then."""
    if isinstance(node, ast.GeneratorExp):
        return any(_may_raise(one, code, tree) or not code.runs.isdisjoint(_asks(one)) for one in walk(node.elt))
    if not isinstance(node, ast.Call) or not node.args:
        return False
    name = dotted(node.func)
    mapping = name in ("map", "filter", "starmap", "itertools.starmap") and dotted(node.args[0]) not in _PLAIN_CALLS
    return mapping or (name == "iter" and len(node.args) > 1)


_NO_PROPERTIES = ("staticmethod", "classmethod", "abstractmethod", "no_grad", "inference_mode", "lru_cache", "wraps")


def _is_apart(statement: ast.stmt, code: _Code, tree: ast.Module) -> bool:
    """True for a statement whose errors are none of torch's: imports, and what calls nothing that may compute."""
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return True
    asking = (one for one in walk(statement) if not (isinstance(one, ast.Subscript) and _is_of_state(one.value, tree)))
    calls = any(_may_raise(node, code, tree) for node in walk(statement))
    return not (calls or any(not code.runs.isdisjoint(_asks(node)) for node in asking))


def _is_of_state(node: ast.expr, tree: ast.Module) -> bool:
    """True for a name that only ever stands for `net.state_dict()`, whose items are tensors that are there."""
    name, above = getattr(node, "id", ""), walking.above(tree)
    bound = [above.get(id(one)) for one in every(tree, ast.Name) if one.id == name and isinstance(one.ctx, ast.Store)]
    values = [one.value for one in bound if isinstance(one, ast.Assign)]
    passed = any(one.arg == name for one in every(tree, ast.arg))
    states = all(isinstance(one, ast.Call) and getattr(one.func, "attr", "") == "state_dict" for one in values)
    return bool(values) and len(values) == len(bound) and states and not passed


def _may_raise(node: ast.AST, code: _Code, tree: ast.Module) -> bool:
    """True for a sum in place, for a call of what is not known, and for one that is given a function to call."""
    if isinstance(node, (ast.AugAssign, ast.Await, ast.Yield, ast.YieldFrom, ast.ClassDef)):
        return True
    if isinstance(node, Function):
        return bool(node.decorator_list)
    if not isinstance(node, ast.Call):
        return False
    if dotted(node.func) in ("getattr", "hasattr") and dotted(node.func) not in bound(tree):
        return any(kind == "attribute" or kind.startswith(".") for kind in code.runs)  # whichever it asks for
    if not _is_known(node.func, code, tree):
        return True
    if any(k.arg is None or k.arg in _CALLED_BACK for k in node.keywords):
        return True
    if dotted(node.func) in ("re.sub", "re.subn") and not all(isinstance(one, ast.Constant) for one in node.args[:2]):
        return True
    given = (one.value if isinstance(one, ast.Starred) else one for one in node.args)
    return any(_is_function(one, tree) for one in (*given, *(k.value for k in node.keywords)))


def _is_function(node: ast.expr, tree: ast.Module) -> bool:
    if isinstance(node, ast.Lambda):
        return True
    return dotted(node).rsplit(".", 1)[-1] in {one.name for one in definitions(tree)}


@remembered
def _hooks_states(tree: ast.Module) -> bool:
    """True if something hooks the loading or the saving of states."""
    return any("state_dict" in one.attr and "hook" in one.attr for one in every(tree, ast.Attribute))


def _is_known(function: ast.expr, code: _Code, tree: ast.Module) -> bool:
    """True for what computes nothing of the file's: by its path, or as a method that few other objects have."""
    own = bound(tree)
    if isinstance(function, ast.Attribute) and function.attr not in own | given_names(tree):
        restored = function.attr in _OF_MODULES and not _RESTORES & own and not _hooks_states(tree)
        if function.attr in _OF_TEXTS or restored or _is_restoring(function):
            return True
        of_library = dotted(function).partition(".")[0] in imported(tree)
        if _computes(f"Tensor.{function.attr}") and not (_OVERRIDES | _RESTORES) & own and not of_library:
            return True
    path = dotted(function)
    head, _, rest = path.partition(".")
    if path in code.helpers:
        return True
    if head in mocks(tree):
        return True
    if not path or head in own:
        return False
    imports = imported(tree)
    if head not in imports:
        return path in _PLAIN_CALLS or _is_error(path)
    full = f"{imports[head]}.{rest}" if rest else imports[head]
    if _computes(full) and not _OVERRIDES & own:
        return True
    if full.rpartition(".")[2] in given_names(tree):
        return False
    return full.split(".")[0] in PLAIN_MODULES or (full in _OF_TORCH and not _RESTORES & own)


def _is_error(name: str) -> bool:
    """True for a class of errors of Python's: to make one computes nothing."""
    kind = getattr(builtins, name, None)
    return isinstance(kind, type) and issubclass(kind, BaseException)


def _makes_elements(node: ast.expr) -> bool:
    """True for a loop over what a library has: numbers, pieces of a text, of a file, of an answer."""
    if not isinstance(node, ast.Call):
        return isinstance(node, ast.Constant)
    name = dotted(node.func).rpartition(".")[2] or (node.func.attr if isinstance(node.func, ast.Attribute) else "")
    return name in _OWN_LOOPS and (name != "enumerate" or all(map(_makes_elements, node.args)))


def _computes(op: str) -> bool:
    """True for an op of torch that computes something new of what it is given, however that came to be.

    `view` may raise for the strides of what a write out of place has made.
    """
    row = catalogue.result(op)
    runs_others = "autograd" in op or "checkpoint" in op
    return row is not None and row.memory is not catalogue.Memory.VIEW and not runs_others


def _is_restoring(function: ast.Attribute) -> bool:
    """True for `state[name].copy_(...)`: a parameter's data, which no other write makes a leaf or a view."""
    return function.attr == "copy_" and isinstance(function.value, ast.Subscript)


def _asks(node: ast.AST) -> Iterator[str]:
    """What a node runs, by the words of `_RUNS`."""
    match node:
        case ast.Subscript(ctx=context, slice=index):
            yield "item"
            if isinstance(context, ast.Store) and isinstance(index, ast.Slice):
                yield "loop"
        case ast.Attribute(attr=name):
            yield from ("attribute", f".{name}")
        case ast.For(iter=source) | ast.comprehension(iter=source) if _makes_elements(source):
            yield "elements"
        case ast.For() | ast.AsyncFor() | ast.comprehension() | ast.Starred():
            yield "loop"
        case ast.Tuple(ctx=ast.Store()) | ast.List(ctx=ast.Store()):
            yield "loop"
        case ast.MatchClass(kwd_attrs=names):
            yield from ("attribute", "truth", *(f".{name}" for name in names))
        case ast.FormattedValue():
            yield "text"
        case ast.With() | ast.AsyncWith():
            yield "context"
        case ast.Call(func=func):
            yield from ("text", "truth", "number")
            path = dotted(func)
            if path in _ITERATING or path.partition(".")[0] in _THROUGH or _goes_through(func):
                yield from ("loop", "item")
        case ast.Compare(ops=ops):
            if any(isinstance(op, ast.In | ast.NotIn) for op in ops):
                yield from ("loop", "item")  # `x in data` goes through it
            if not all(isinstance(op, ast.Is | ast.IsNot) for op in ops):
                yield "truth"
        case ast.If() | ast.While() | ast.IfExp() | ast.BoolOp() | ast.Assert() | ast.UnaryOp():
            yield "truth"
        case ast.BinOp():
            yield from ("sum", "text")
        case ast.Set() | ast.Dict():
            yield "truth"
