"""Handlers: which errors they are for, and whether these end there; see Note [Errors that end unnoticed]."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Mapping, Sequence

from fixinplace.detect.index import all_imports, dotted
from fixinplace.detect.liveness import Function
from fixinplace.detect.stand_ins import fallbacks
from fixinplace.walking import every, functions, remembered, walk

_OTHER_ERRORS = frozenset(
    "JSONDecodeError Empty Full URLError HTTPError BadZipFile UnpicklingError YAMLError ValidationError NoSectionError"
    " NoOptionError CancelledError InvalidStateError StatisticsError".split()
)
"""Errors of libraries that none of torch's errors is."""
PLAIN_MODULES = frozenset(
    "os sys time json pathlib shutil logging warnings re math random argparse subprocess socket pickle gzip zipfile"
    " tarfile tempfile glob hashlib base64 csv datetime platform string struct textwrap urllib uuid configparser"
    " getpass http io stat calendar locale inspect ast traceback unicodedata importlib requests yaml PIL cv2 gdown"
    " wget h5py".split()
)
"""Modules, of the standard library most of them, that call back only what they are given by name."""
_OUT_OF_MEMORY = frozenset(("torch.cuda.OutOfMemoryError", "torch.OutOfMemoryError"))
_LEAVES = (ast.Return, ast.Break, ast.Continue, ast.Yield, ast.YieldFrom)


def catches_torch(node: ast.expr | None, tree: ast.Module) -> bool:
    """True unless the handler is for errors that are not the one which torch raises for a write: a `RuntimeError`."""
    types = node.elts if isinstance(node, ast.Tuple) else [node]
    return not all(one is not None and is_another(one, tree) for one in types)


def is_another(node: ast.expr, tree: ast.Module) -> bool:
    """True for a class of errors, of Python, of a library or of the file, that no `RuntimeError` is an instance of."""
    name = dotted(node)
    imports = imported(tree)
    head = name.partition(".")[0]
    full = imports.get(head, head) + name[len(head) :]
    of_library = full.split(".")[0] in PLAIN_MODULES or full in _OUT_OF_MEMORY
    if of_library or full.rpartition(".")[2] in _OTHER_ERRORS:
        return head in imports and head not in bound(tree) and not _turns_errors(tree)
    if _turns_errors(tree) or not isinstance(node, ast.Name) or name in imports or name in stored(tree):
        return False
    if name in bound(tree):
        return name in {one.name for one in every(tree, ast.ClassDef)} - {one.name for one in functions(tree)}
    kind = getattr(builtins, name, object)
    others = issubclass(kind, BaseException) and not issubclass(kind, (RuntimeError, Warning))
    return others and not issubclass(RuntimeError, kind)


@remembered
def _turns_errors(tree: ast.Module) -> bool:
    """True if code that runs on an error's way may make another error of it: a `finally`, the end of a context."""
    last = [each for one in every(tree, ast.Try) for each in one.finalbody]
    last += [each for one in every(tree, ast.TryStar) for each in one.finalbody]
    if not all(_is_cleaning(one, tree) for one in last):
        return True
    ends = [one for one in functions(tree) if one.name in ("__exit__", "__aexit__")]
    raising = (ast.Raise, ast.Assert, ast.Subscript)
    return any(isinstance(node, raising) or exits(node) for one in (*last, *ends) for node in walk(one))


def _is_cleaning(node: ast.stmt, tree: ast.Module) -> bool:
    """True for `file.close()` and `self.on = False`, which raise nothing of their own."""
    match node:
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr=attr), args=args, keywords=[])):
            return attr not in bound(tree) and all(isinstance(one, (ast.Constant, ast.Attribute)) for one in args)
        case ast.Assign(value=ast.Constant()) | ast.Pass():
            return True
    return False


def exits(node: ast.AST) -> bool:
    """True for `sys.exit(...)` and its like."""
    return isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] in ("exit", "_exit", "quit", "abort")


def raises_again(handler: ast.ExceptHandler, tree: ast.Module) -> bool:
    """True if what it catches, if it is not that memory ran out, goes on as an error that no other handler ends."""
    calm = all(map(_is_told, handler.body)) or not [*_others(tree)]
    return calm and _goes_on(handler.body, handler.name, tree)


def _is_told(node: ast.stmt) -> bool:
    """True for what raises no error of its own on the way to the `raise`: it prints something, or logs it."""
    match node:
        case ast.Expr(value=ast.Call(func=func) as call):
            return dotted(func).rpartition(".")[2] in _TELLS and all(map(_is_simple, (*call.args, *call.keywords)))
        case ast.Raise(exc=ast.Call(args=args, keywords=keywords)):
            return all(map(_is_simple, (*args, *keywords)))
        case ast.If(body=body, orelse=other):
            return all(map(_is_told, (*body, *other)))
    return isinstance(node, ast.Raise | ast.Return | ast.Continue | ast.Pass)


def _is_simple(node: ast.AST) -> bool:
    """True for constants, names and texts of them."""
    calls = all(dotted(one.func) in ("str", "repr", "type") for one in every(node, ast.Call))
    plain = (ast.Constant, ast.Name, ast.Call, ast.JoinedStr, ast.FormattedValue, ast.keyword, ast.Load, ast.Starred)
    return calls and all(isinstance(one, plain) for one in walk(node))


_TELLS = frozenset("print warning info error exception debug critical warn print_exc shutdown".split())


def _goes_on(body: Sequence[ast.stmt], name: str | None, tree: ast.Module) -> bool:
    for one in body:
        match one:
            case ast.Raise(exc=error):
                return error is None or _is_seen(error, name, tree)
            case ast.If(test=test, orelse=other) if _is_of_memory(test, name, ast.In):
                if other:
                    return _goes_on(other, name, tree)
                continue
            case ast.If(test=test, body=inner) if _is_of_memory(test, name, ast.NotIn) and _goes_on(inner, name, tree):
                return True
            case ast.If(body=inner, orelse=[_, *_] as other):
                if _goes_on(inner, name, tree) and _goes_on(other, name, tree):
                    return True
        if any(isinstance(each, _LEAVES) or exits(each) for each in walk(one)):
            return False
    return False


def _is_of_memory(test: ast.expr, name: str | None, op: type[ast.cmpop]) -> bool:
    """True for `"out of memory" in str(error)`."""
    match test:
        case ast.Compare(left=ast.Constant(value=str(text)), ops=[asked], comparators=[whole]):
            return isinstance(asked, op) and "memory" in text.lower() and name is not None and _is_text(whole, name)
    return False


def _is_text(node: ast.expr, name: str) -> bool:
    """True for `str(error)`, `error.args[0]`, and either in lower case."""
    match node:
        case ast.Call(func=ast.Attribute(value=text, attr="lower"), args=[], keywords=[]):
            return _is_text(text, name)
        case ast.Call(func=ast.Name(id="str" | "repr"), args=[ast.Name(id=error)], keywords=[]):
            return error == name
        case ast.Subscript(value=ast.Attribute(value=ast.Name(id=error), attr="args"), slice=ast.Constant(value=0)):
            return error == name
    return False


def _is_seen(error: ast.expr, name: str | None, tree: ast.Module) -> bool:
    """True for an error raised in a handler, the caught one or another, that only those end who are asked anyway."""
    if isinstance(error, ast.Name) and error.id == name:
        return True
    made = error.func if isinstance(error, ast.Call) else error
    kind = getattr(builtins, made.id, None) if isinstance(made, ast.Name) and made.id not in bound(tree) else None
    others = [*_others(tree)]
    if not isinstance(kind, type) or not issubclass(kind, _PLAIN_ERRORS):
        own = [one for one in every(tree, ast.ClassDef) if one.name == dotted(made)]
        plain = all(dotted(base) in _BASES and base.id not in bound(tree) for one in own for base in one.bases)  # type: ignore[attr-defined]
        return len(own) == 1 and plain and not others
    return not any(issubclass(kind, getattr(builtins, name, OSError)) for name in others)


_BASES = ("Exception", "RuntimeError", "ValueError")
_PLAIN_ERRORS = (RuntimeError, ValueError, AssertionError, OSError)
"""Errors that Python itself ends nowhere: `hasattr` ends an `AttributeError`, a loop an `IndexError`.

Whatever error a library has may be an `OSError`.
"""


def _others(tree: ast.Module) -> Iterator[str]:
    """What the handlers of a file are for that catch no error of torch's."""
    for handler in every(tree, ast.ExceptHandler):
        types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        yield from (dotted(one) for one in types if one is not None and is_another(one, tree))
    for call in every(tree, ast.Call):
        yield from map(dotted, call.args if dotted(call.func).rpartition(".")[2] == "suppress" else ())


@remembered
def stored(tree: ast.Module) -> frozenset[str]:
    """Names that the file binds."""
    return frozenset(one.id for one in every(tree, ast.Name) if not isinstance(one.ctx, ast.Load))


@remembered
def imported(tree: ast.Module) -> Mapping[str, str]:
    """What the names of imports stand for."""
    return dict(all_imports(tree))


@remembered
def bound(tree: ast.Module) -> frozenset[str]:
    """What the file binds or defines itself, functions, methods and classes among it."""
    return (stored(tree) - fallbacks(tree)) | frozenset({one.name for one in definitions(tree)})


def definitions(tree: ast.Module) -> list[Function | ast.ClassDef]:
    """All functions, methods and classes of the file."""
    return [*functions(tree), *every(tree, ast.ClassDef)]
