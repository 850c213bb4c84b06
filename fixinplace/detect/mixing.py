"""What makes the out-of-place form differ although values agree: wider dtypes and other memory layouts.

Note [Dtypes and layouts]
    In place, the result has the target's dtype and strides; out of place, operands decide.  Mixed dtypes need a
    source that asks for a dtype by name (or numpy, whose floats are 64 bits wide): where a file has none, one dtype
    is assumed and said.  Where it has one, the dtype of each value is followed from it, and what comes from code out
    of sight may have any; what converts modules, or everything, leaves all values of the file in doubt.

    Pointwise operations keep the layout of a dense tensor out of place as well; scatters, masked fills and triangles
    do not always, which `.view` and `.stride()` can see.  What had gaps (a column, a piece) has none out of place:
    `.reshape` of it is a view, where it was a copy, and random numbers fill it in another order.  Code out of sight
    may do either, so that handing such a tensor to it counts as doing both.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping

from fixinplace import walking
from fixinplace.walking import every, functions, remembered, walk

_DTYPES = re.compile(
    r"double|float64|half|float16|bfloat16|float8_\w+|complex64|complex128|complex32|cdouble|cfloat|chalf|numpy"
    r"|scipy|pandas|from_numpy|from_dlpack"
)
_FOR_ALL = re.compile(
    r"(Double|Half|BFloat16)(Tensor|Storage)|set_default_(dtype|tensor_type)|(set_)?autocast\w*|promote_types|result_type"
)
_COPYING = (
    r"view|reshape|reshape_as|view_as|[fF]latten|ravel|contiguous|is_contiguous|stride|as_strided|channels_last"
    r"|memory_format|[uU]nflatten|numpy|set_"
)
_FILLS = (
    r"normal_?|uniform_|bernoulli_|cauchy_|exponential_|geometric_|log_normal_|random_|init|parameters_to_vector"
    r"|view_as_complex|resize\w*_"
)
_RANDOM_OUT = r"\brand\w*\((?:[^()]|\([^()]*\))*?\bout\s*="
_COPIES = re.compile(rf"\b({_COPYING}|{_FILLS})\b|{_RANDOM_OUT}")
_LAYOUTS = re.compile(
    rf"\.(t|T|mT|H|mH)\b|\b({_COPYING}|transpose|adjoint|permute|movedim|swapaxes|einsum|linalg|qr|svd|eigh|cholesky"
    r"|lstsq|solve|\w*[dD]ropout\w*|rand\w*_like|random_|bernoulli\w*|multinomial|normal_?|uniform_)\b"
    rf"|{_RANDOM_OUT}"
)
_COMPLEX = re.compile(
    r"[cC]omplex|fft|\b(cfloat|cdouble|chalf|polar|i?stft|conj\w*|imag|eig|eigvals|hilbert)\b|\d[jJ]\b"
)
_POINTWISE = frozenset(
    "abs absolute acos acosh add addcdiv addcmul arccos arcsin arctan asin asinh atan atan2 atanh ceil celu clamp"
    " clamp_max clamp_min clip copysign cos cosh deg2rad digamma div divide dropout elu erf erfc erfinv exp exp2 expm1"
    " fix floor floor_divide fmod frac gelu hardsigmoid hardswish hardtanh hypot iadd ifloordiv imod imul ipow isub"
    " itruediv leaky_relu lerp lgamma log log10 log1p log2 logit mish mul multiply nan_to_num neg negative pow rad2deg"
    " reciprocal relu relu6 remainder round rsqrt selu sgn sigmoid sign silu sin sinc sinh sqrt square sub subtract tan"
    " tanh threshold true_divide trunc xlogy".split()
)
"""Elementwise operations, by their names without underscores."""
_NAMED_APART = frozenset("acosh arccosh asinh arcsinh atanh arctanh celu elu leaky_relu selu threshold".split())
"""Those whose in-place form has a node of another name in the graph: `EluBackward1` for `EluBackward0`."""


_RESHAPES = re.compile(
    r"\.(as_strided_|resize\w*_|set_|squeeze_|swapaxes_|swapdims_|t_|transpose_|unsqueeze_|data\s*=[^=])"
)


def reshapes(text: str) -> bool:
    """True if a file changes the shape, the strides or the storage of a tensor that others may hold."""
    return _RESHAPES.search(text) is not None


def names(root: ast.AST, tree: ast.Module) -> Iterator[str]:
    """Whatever a piece of a file calls something by: names, attributes, imports, and texts that may name a dtype."""
    arrays = _libraries_of_arrays(tree)
    above, own = walking.above(tree), _defined(tree) | ({"autocast"} if is_switched_off(tree) else set())
    for node in walk(root):
        if type(node) is ast.Name and node.id not in own:
            yield "numpy" if node.id in arrays and _makes_arrays(above.get(id(node))) else node.id
        elif type(node) is ast.Attribute and node.attr not in own & {"autocast"}:
            yield node.attr
        elif type(node) is ast.alias and node.name not in own & {"autocast"}:
            whole = isinstance(above.get(id(node)), ast.Import) and (node.asname or node.name) in arrays
            yield from () if whole else node.name.split(".")
            source = above.get(id(node))
            if isinstance(source, ast.ImportFrom) and (source.module or "").split(".")[0] == "numpy":
                yield "numpy"
        elif type(node) is ast.Constant and isinstance(node.value, str) and len(node.value) < _LONGEST:
            yield node.value.rpartition(".")[2]
        elif _is_dtype_of_python(node):
            yield "float64"


@remembered
def is_switched_off(tree: ast.Module) -> bool:
    """True if `autocast` is only ever called with `enabled=False`: it mixes no dtypes then, and others are not here."""
    renamed = any(
        one.name.endswith("autocast") and one.asname not in (None, "autocast") for one in every(tree, ast.alias)
    )
    if renamed or any(one.value == "autocast" for one in every(tree, ast.Constant)):
        return False
    calls = [one for one in every(tree, ast.Call) if _is_autocast(one.func)]
    named = [one for one in (*every(tree, ast.Name), *every(tree, ast.Attribute)) if _is_autocast(one)]
    return len(calls) == len(named) and all(map(_is_off, calls))


def _is_autocast(node: ast.expr) -> bool:
    return (
        node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    ) == "autocast"


def _is_off(call: ast.Call) -> bool:
    told = [one.value for one in call.keywords if one.arg == "enabled"]
    return any(isinstance(one, ast.Constant) and one.value is False for one in [*told, *call.args[:1]])


@remembered
def _defined(tree: ast.Module) -> frozenset[str]:
    """What the file defines: its own `double(i, o)` converts nothing."""
    return frozenset(one.name for one in (*functions(tree), *every(tree, ast.ClassDef)))


@remembered
def _libraries_of_arrays(tree: ast.Module) -> frozenset[str]:
    """Names of numpy: `np`.  What is done with it makes arrays of 64 bits, that it is imported does not."""
    aliases = (alias for node in every(tree, ast.Import) for alias in node.names)
    return frozenset(alias.asname or alias.name for alias in aliases if alias.name == "numpy")


def _makes_arrays(parent: ast.AST | None) -> bool:
    """False for `np.pi`, a number of Python's; `np.sqrt(2)` is one of numpy's, of which tensors of 64 bits are made."""
    return not (isinstance(parent, ast.Attribute) and parent.attr in _NUMBERS)


_NUMBERS = frozenset("pi e inf nan newaxis ndarray integer floating".split())


def _is_dtype_of_python(node: ast.AST) -> bool:
    """`dtype=float`, `x.to(float)`: 64 bits, not the default; `getattr(torch, f"float{n}")` may be any."""
    match node:
        case ast.keyword(arg="dtype", value=ast.Name(id="float" | "complex")):
            return True
        case ast.Call(func=ast.Attribute(attr="to" | "type" | "astype"), args=[ast.Name(id="float" | "complex"), *_]):
            return True
        case ast.Call(func=ast.Name(id="getattr"), args=[ast.Name(id="torch"), other, *_]):
            return not isinstance(other, ast.Constant)
    return False


_LONGEST = 40


def dtype_word(words: Iterable[str]) -> str | None:
    """The first word of a file that changes the dtype of values it does not name, or None."""
    return next((word for word in words if _FOR_ALL.fullmatch(word)), None)


KEEPS_DTYPE = frozenset(
    f"Tensor.{name}_"
    for name in ("masked_fill", "masked_scatter", "index_fill", "index_add", "index_copy", "scatter", "scatter_add")
)
"""Writes whose out-of-place forms give the dtype of the tensor whatever they are given, or raise as these do."""


def may_be_tensor(node: ast.AST, above: Mapping[int, ast.AST]) -> bool:
    """True for `h += offset` with a parameter that is a number by its default alone: a tensor of any dtype may come."""
    match node:
        case ast.AugAssign(value=ast.Name(id=name)) | ast.Call(args=[ast.Name(id=name)]):
            function = above.get(id(node))
        case _:
            return False
    while function is not None and not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        function = above.get(id(function))
    given = function.args if function is not None else None
    arguments = [] if given is None else [*given.posonlyargs, *given.args, *given.kwonlyargs]
    return any(one.arg == name and one.annotation is None for one in arguments)


def asks_for_dtypes(words: Iterable[str]) -> bool:
    """True if some code names a dtype other than the default one, or a library whose floats are 64 bits wide."""
    return any(map(_DTYPES.fullmatch, words))


def sees_layouts(text: str) -> bool:
    """True if a file uses what depends on strides."""
    return _LAYOUTS.search(text) is not None


def sees_copies(text: str) -> bool:
    """True if a file asks for views that are copies of tensors with gaps, or fills tensors with random numbers."""
    return _COPIES.search(text) is not None


def makes_complex(text: str) -> bool:
    """True if some code may have complex tensors: torch's scatters of a slice or an element have no gradient there."""
    return _COMPLEX.search(text) is not None


def keeps_layout(op: str) -> bool:
    """True for writers whose out-of-place form has the strides of a dense target."""
    return _plain(op) in _PLAIN or _plain(op) in ("fill", "zero")


def keeps_history(op: str) -> bool:
    """True for writers whose out-of-place form leaves a node of the same name in the graph, for tensors no views."""
    return _plain(op) in _PLAIN - set(map(_plain, _NAMED_APART))


def _plain(op: str) -> str:
    """`leakyrelu` for `torch.nn.LeakyReLU(inplace=)` and `Tensor.leaky_relu_` alike."""
    return op.partition("(")[0].rsplit(".", 1)[-1].replace("_", "").lower()


_PLAIN = frozenset(map(_plain, _POINTWISE))
