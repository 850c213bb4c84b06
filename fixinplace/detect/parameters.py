"""What a parameter is: by its annotation, its default, its callers, its use, and the habit of `forward`.


Note [Read before its callers]
    A helper whose own result is passed to it again, `scale(scale(x))`, is given a tensor if a tensor is returned for
    one.  So a function that is read before any call of it was seen, or called before it was read, is taken to be given
    float tensors; what its callers pass replaces that in the next round.  Once nothing changes any more, every call
    passes that, and the first one to run does so without it.  Where the rounds end before, nothing is certain.
"""

from __future__ import annotations

import ast

from fixinplace.detect.given import default_class, named_class
from fixinplace.detect.index import dotted
from fixinplace.detect.kinds import Dtype, Kind, Layout, Origin
from fixinplace.detect.liveness import Function
from fixinplace.detect.program import Key, Program
from fixinplace.detect.replacing import replace
from fixinplace.detect.switches import TRUE, is_switch, switched_by_default
from fixinplace.detect.usage import (
    compared_with_marks,
    indexes_with,
    is_count,
    is_given,
    is_integral,
    is_measure,
    is_read,
    usage,
)
from fixinplace.detect.values import (
    ARRAY,
    NOWHERE,
    NUMBER,
    OTHER,
    SIZE,
    STRING,
    UNKNOWN,
    Memory,
    Value,
    join,
    may_be_class,
    open_dtype,
    sequence,
    tensor,
)
from fixinplace.walking import every, remembered

_BY_RULE = 3
"""`Value.sure` of what follows from torch's rules or from an annotation."""
_INTEGRAL = ("LongTensor", "BoolTensor", "IntTensor", "ByteTensor")
_SEQUENCES = ("list", "List", "tuple", "Tuple", "Sequence", "Iterable", "Set", "set", "FrozenSet", "Deque")
_MAPPINGS = ("dict", "Dict", "Mapping", "OrderedDict", "MutableMapping")
_PLAIN = {"int": NUMBER, "float": NUMBER, "bool": NUMBER, "complex": NUMBER, "str": STRING, "bytes": STRING,
          "ndarray": ARRAY, "Size": SIZE}  # fmt: skip


def annotation(program: Program, node: ast.expr | None) -> Value | None:
    """The value that an annotation promises, or None if it says nothing; strings and Optional are looked into."""
    match node:
        case ast.Constant(value=str(text)):
            try:
                return annotation(program, ast.parse(text, mode="eval").body)
            except SyntaxError:
                return None
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return _either([annotation(program, left), annotation(program, right)])
        case ast.Subscript(value=value, slice=inner):
            return _generic(program, dotted(value).rsplit(".", 1)[-1], inner)
        case ast.Name() | ast.Attribute():
            return _plain(program, dotted(node).rsplit(".", 1)[-1])
    return None


def _generic(program: Program, name: str, inner: ast.expr) -> Value | None:
    parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if name in ("Optional", "Annotated", "Final"):
        return annotation(program, parts[0])
    if name == "Union":
        return _either([annotation(program, part) for part in parts])
    one = (annotation(program, parts[-1]) if parts else None) or UNKNOWN
    if name in _SEQUENCES:
        exact = name.lower() == "tuple" and not any(isinstance(p, ast.Constant) and p.value is ... for p in parts)
        items = (
            tuple(annotation(program, p) or UNKNOWN for p in parts)
            if exact
            else (annotation(program, parts[0]) or one,)
        )
        return sequence(items, exact)
    return Value(Kind.DICT, items=(one,)) if name in _MAPPINGS else None


def _either(values: list[Value | None]) -> Value | None:
    """The first of several promises; where a number may stand, a tensor seldom requires grad."""
    promised = [value for value in values if value is not None]
    mixed = {Kind.TENSOR, Kind.NUMBER} <= {value.kind for value in promised}
    return (replace(promised[0], live=None) if mixed else promised[0]) if promised else None


def _plain(program: Program, name: str) -> Value | None:
    if name in ("Tensor", "FloatTensor", "Variable", "Parameter"):
        return tensor(3, True, Dtype.ANY)
    if name in _INTEGRAL:
        return tensor(3, False, Dtype.INT)
    if name in _SEQUENCES:
        return sequence()
    if name in _MAPPINGS:
        return Value(Kind.DICT)
    if name == "Module":
        return Value(Kind.MODULE)
    if name in program.index.classes:
        return Value(Kind.MODULE if program.index.is_module(name) else Kind.OTHER, name=name)
    return _PLAIN.get(name)


def defaults_of(function: Function) -> dict[str, ast.expr]:
    """Parameter -> the expression of its default."""
    arguments = function.args
    plain = [*arguments.posonlyargs, *arguments.args]
    optional = [p.arg for p in plain[len(plain) - len(arguments.defaults) :]]
    defaults = dict(zip(optional, arguments.defaults, strict=True))
    return defaults | {
        p.arg: d for p, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None
    }


def initial(program: Program, function: Function, key: Key, module: bool, built: dict[str, Value]) -> dict[str, Value]:
    """Values of all parameters when the function starts, each in a memory of its own; `self` is left to the caller.

    built: modules that default expressions make, by parameter.
    """
    arguments = function.args
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults = defaults_of(function)
    used, marked = usage(function), compared_with_marks(function)
    forward, compares = module and function.name == "forward", "loss" in function.name.lower() and not key[0]
    values: dict[str, Value] = {}
    if plain or arguments.kwonlyargs:
        program.ask_callers(key)
    for parameter in (*plain, *arguments.kwonlyargs):
        value = _built(built.get(parameter.arg), program, key, parameter.arg) or _annotated(program, key, parameter)
        if value is not None and value.kind is Kind.MODULE and default_class(program, defaults.get(parameter.arg)):
            value = None  # `act: nn.Module = nn.ReLU` means the class
        value = value or _number_or(_default(defaults.get(parameter.arg)), program, key, parameter.arg)
        use = used.get(parameter.arg)
        value = value or _confirmed(_passed(program, key, parameter.arg, parameter.arg not in defaults), use) or use
        if value is None and (
            is_count(parameter.arg) or (module and function.name == "__init__" and is_measure(parameter.arg))
        ):
            value = replace(UNKNOWN, live=False)
        if forward and (value is None or (value.tensor and value.live is None)):
            value = replace(value or tensor(2, True, Dtype.ANY), live=True)
        if compares and (value is None or (value.tensor and value.live is None)):
            computed = parameter.arg not in defaults and not _is_data(program, function, key, parameter)
            value = replace(value or replace(UNKNOWN, sure=1), live=True) if computed else value
        if forward and value is not None and value.kind is Kind.DICT and not value.items:
            value = replace(value, items=(replace(UNKNOWN, sure=1, live=True),))  # outputs of another module, by habit
        if value is not None and value.tensor and value.sure < 3 and _counts(function, parameter.arg):
            value = replace(value, live=False, dtype=Dtype.INT)
        elif value is not None and (
            parameter.arg in marked or is_read(parameter.arg, value.kind) or _is_data(program, function, key, parameter)
        ):
            value = value if _given_tracked(program, key, parameter.arg) else _undecided(value)
        value = _switched(value, program, key, parameter.arg, defaults.get(parameter.arg))
        value = value or default_class(program, defaults.get(parameter.arg))
        value = value or may_be_class(program.passed(key, parameter.arg, _path))
        value = value or named_class(function, parameter.arg)
        width = program.passed(key, parameter.arg, _width) if program.words.mixes else ""
        value = replace(value, width=width) if value is not None and value.tensor and width else value
        values[parameter.arg] = _in_own_memory(value or UNKNOWN, parameter.arg)
    if arguments.vararg:
        item = tensor(2, True, Dtype.ANY) if forward else UNKNOWN
        values[arguments.vararg.arg] = _in_own_memory(sequence((item,)), arguments.vararg.arg)
    if arguments.kwarg:
        values[arguments.kwarg.arg] = _in_own_memory(Value(Kind.DICT), arguments.kwarg.arg)
    return values


def _built(default: Value | None, program: Program, key: Key, name: str) -> Value | None:
    """The in-place module that a default makes, or one that callers in sight pass; of another, what it may be.

    Others may pass something else: what is written of the default itself is right whatever that is.
    """
    if default is not None and not default.flags:
        given = may_be_class(default.name)
        return replace(given, name="!" + default.name) if given is not None else None
    passed = program.passed(key, name, _module) if default is not None else None
    return join(default, passed) if default is not None and passed is not None else default


def _module(passed: Value | None) -> Value | None:
    return passed if passed is not None and passed.kind is Kind.MODULE else None


def _counts(function: Function, name: str) -> bool:
    """True for the names that the field gives to integer tensors: indices, ids, lengths.

    An index may be refractive: only what is used to index with is one.
    """
    return is_integral(name) or (name.endswith("index") and indexes_with(function, name))


def _is_data(program: Program, function: Function, key: Key, parameter: ast.arg) -> bool:
    """True for what is passed as data, by its name, by numbers that may stand for it, or as what an embedding reads."""
    name = parameter.arg
    if is_given(name) or _counts(function, name) or name in looked_up(program, function, key[0]):
        return True
    if name.startswith("coords") and function.name != "forward":
        return True  # where something is, in pixels; a forward may be given those that another module has moved
    promised = annotation(program, parameter.annotation)
    return promised is not None and promised.tensor and promised.live is None


def looked_up(program: Program, function: Function, cls: str) -> set[str]:
    """Names whose integers the function reads an embedding's rows by: `self.emb(x)`, `F.embedding(x, w)`."""
    found = set[str]()
    for part, name in _given_alone(function):
        value = program.index.attribute(cls, part) if cls else None
        if not part or (value is not None and value.name.startswith("torch.nn.Embedding")):
            found.add(name)
    return found


@remembered
def _given_alone(function: Function) -> tuple[tuple[str, str], ...]:
    """The parts of self that are called with one name, and that name; none for what an `embedding` is given."""
    found: list[tuple[str, str]] = []
    for node in every(function, ast.Call):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=attr), args=[ast.Name(id=name)]):
                found.append((attr, name))
            case ast.Call(func=ast.Attribute(attr="embedding"), args=[ast.Name(id=name), _, *_]):
                found.append(("", name))
    return tuple(found)


def _switched(value: Value | None, program: Program, key: Key, name: str, default: ast.expr | None) -> Value | None:
    """The parameter's value, if it may be the literal True by its default or by a caller; see Note [Switches]."""
    if value is not None and value.kind is not Kind.NUMBER:
        return value
    named = program.global_value(default.id) if isinstance(default, ast.Name) else None
    on = switched_by_default(default, named) or program.passed(key, name, is_switch)
    return TRUE if on else value


def _annotated(program: Program, key: Key, parameter: ast.arg) -> Value | None:
    """What an annotation promises; whether a tensor requires grad it does not say: all callers may, integers do."""
    value = annotation(program, parameter.annotation)
    if value is None or not value.live:
        return value
    told = _is_maybe_untracked if is_private(program, key) else _is_discrete
    return replace(value, live=None) if program.passed(key, parameter.arg, told) else value


def _is_maybe_untracked(passed: Value | None) -> bool:
    return passed is not None and passed.tensor and not passed.live


def _is_discrete(passed: Value | None) -> bool:
    untracked = passed is not None and passed.tensor and passed.live is False
    return passed is not None and untracked and passed.dtype in (Dtype.INT, Dtype.BOOL)


def _path(passed: Value | None) -> str:
    """The name of what a library defines, or of a class that may be passed on, if it is that."""
    if passed is not None and passed.kind is Kind.UNKNOWN and passed.name.startswith("?"):
        return passed.name[1:]
    return passed.name if passed is not None and passed.kind is Kind.PATH else ""


def _width(passed: Value | None) -> str:
    """The width of what may have any, "" for what has the one that it seems to have."""
    if passed is None or not (passed.kind in (Kind.UNKNOWN, Kind.ARRAY, Kind.OTHER) or passed.width):
        return ""
    return passed.width or "?"


def _undecided(value: Value) -> Value:
    """A value of which it is not known whether its tensors require grad, those in containers included."""
    if value.tensor:
        return replace(value, live=None) if value.live else value
    return replace(value, items=tuple(map(_undecided, value.items)))


def _number_or(default: Value | None, program: Program, key: Key, name: str) -> Value | None:
    """A default's value, unless a caller in this file passes a tensor instead; or what may be one."""
    if default is None or default.kind is not Kind.NUMBER:
        return default
    passed = program.passed(key, name, _instead)
    if passed is Kind.TENSOR:
        return _passed(program, key, name)
    return replace(default, live=None) if passed is Kind.UNKNOWN else default


def _instead(passed: Value | None) -> Kind | None:
    """What is passed where a number is the default: a tensor, or what may be one."""
    if passed is None or not (passed.tensor or (passed.kind is Kind.UNKNOWN and passed.live is not False)):
        return None
    return passed.kind


def _confirmed(passed: Value | None, use: Value | None) -> Value | None:
    """What is passed in sight; a number is one whoever passes it if it is used as one, and so is a container."""
    if passed is not None and use is not None and passed.tensor and use.sure == 3:
        return replace(passed, sure=3) if use.tensor else use
    if passed is None or use is None or not passed.kind is use.kind is Kind.NUMBER:
        return passed
    return NUMBER


def _given_tracked(program: Program, key: Key, name: str) -> bool:
    """True if a call in sight passes what requires grad by torch's own rules, not by what an unseen class may do."""
    return program.passed(key, name, _is_tracked)


def _is_tracked(passed: Value | None) -> bool:
    return passed is not None and passed.live is True and passed.sure == _BY_RULE


TRUSTED = "code in other files gives functions tensors like those that they are given here"


def is_private(program: Program, key: Key) -> bool:
    """True for a function whose callers all stand in this file, by its name."""
    return not key[0] and key[1] in program.index.private


def is_closed(program: Program, key: Key) -> bool:
    """True for a function whose every call stands in this file and says which argument is whose."""
    return not key[0] and key[1].rpartition(".")[2] in program.index.closed


def is_called(program: Program, key: Key) -> bool:
    """True for a function of which the file shows how it is called, be it that others call it as well."""
    return is_closed(program, key) or (not key[0] and key[1] in program.index.called)


def trusts_callers(program: Program, key: Key) -> bool:
    """True for a function that others hardly call otherwise than this file does: in a program, or a private one."""
    return is_private(program, key) or program.index.program


def _loosened(value: Value) -> Value:
    """What callers in sight pass, as others may pass it: with a gradient, of a dtype that can have one."""
    if value.kind in (Kind.STRING, Kind.SIZE, Kind.ARRAY):
        return value
    items = tuple(map(_loosened, value.items))
    return replace(value, live=value.live or None, dtype=open_dtype(value.dtype), items=items)


def _in_own_memory(value: Value, name: str) -> Value:
    if value.kind in (Kind.NUMBER, Kind.STRING, Kind.SIZE, Kind.NONE, Kind.MODULE):
        return value
    memory = frozenset((Memory(Origin.PARAMETER, name),))
    items = tuple(_in_own_memory(item, name) for item in value.items)
    return replace(value, memory=memory, maybe=NOWHERE, items=items)


def _default(node: ast.expr | None) -> Value | None:
    match node:
        case ast.Constant(value=bool() | int() | float()):
            return NUMBER
        case ast.Constant(value=str()):
            return STRING
        case ast.List() | ast.Tuple():
            return sequence()
        case ast.Dict():
            return Value(Kind.DICT)
    return None


def _telling(passed: Value | None) -> Value | None:
    return None if passed is None or passed.kind in (Kind.UNKNOWN, Kind.NONE, Kind.PATH) else passed


def _passed(program: Program, key: Key, name: str, always: bool = False) -> Value | None:
    """What the callers in this file pass; a guess, unless there are no others and all of them pass it."""
    value = program.passed(key, name, _telling)
    if value is None and always and is_called(program, key) and program.is_unread(key):
        program.hopes = True
        return replace(tensor(3, True), layout=Layout.ROWS)
    if value is None:
        return None
    mask = value.dtype is Dtype.BOOL
    number = is_count(name) or (key[1] == "__init__" and is_measure(name))
    if not (trusts_callers(program, key) or number):
        value = _loosened(value)
    if value.tensor:
        sure = value.sure if always and is_called(program, key) else min(value.sure, 2)
        alone = sure == 3 and is_closed(program, key)
        if sure == 3 and not alone:
            program.trusts = True
        live = value.live if is_private(program, key) or alone else value.live or None
        layout = value.layout if sure == 3 else max(value.layout, Layout.DENSE)
        return replace(
            value, sure=sure, live=live, layout=layout, view=False, iterated=False, leaf=value.leaf and alone,
            name=value.name if alone else "", dtype=Dtype.BOOL if mask and sure == 3 else value.dtype,
        )  # fmt: skip
    return value if value.kind is not Kind.OTHER or value.name else OTHER
