"""Operators on abstract values: arithmetic makes new tensors, comparisons and bits make untracked ones."""

from __future__ import annotations

import ast

from fixinplace.detect.calls import Calls
from fixinplace.detect.growing import added
from fixinplace.detect.kinds import Dtype, Kind, Layout
from fixinplace.detect.laid import COLUMN, ROW
from fixinplace.detect.replacing import replace
from fixinplace.detect.values import (
    ARRAY,
    NOWHERE,
    SIZE,
    STRING,
    SUMMED,
    TRUTH,
    UNKNOWN,
    Value,
    element,
    join_live,
    sequence,
    tensor,
)
from fixinplace.walking import every, functions, remembered

_QUIET = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.MatMult)
"""Operators that keep nothing of their result for backward; see Note [Free writes]."""
BITS = (ast.BitAnd, ast.BitOr, ast.BitXor, ast.LShift, ast.RShift)
"""Operators that torch has for whole numbers and truth values only, which have no gradients."""


_OPERATORS = frozenset(
    f"__{prefix}{name}__"
    for prefix in ("", "r")
    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor")
) | {"__torch_function__", "__torch_dispatch__"}
OPERANDS = "what is computed with tensors is a number, an array or a tensor"


@remembered
def defines_operators(tree: ast.Module) -> bool:
    """True if a class of the file says what computing with its instances means, in whatever way."""
    names = {one.name for one in functions(tree)} | {one.id for one in every(tree, ast.Name)}
    names |= {one.attr for one in every(tree, ast.Attribute) if isinstance(one.ctx, ast.Store)}
    names |= {one.value for one in every(tree, ast.Constant) if isinstance(one.value, str)}
    return bool(names & _OPERATORS) or any(name.startswith("__array") for name in names)


class Operators(Calls):
    """Evaluates unary and binary operators and comparisons."""

    def binary(self, node: ast.AST, left: Value, right: Value, op: ast.operator) -> Value:
        """`left op right`."""
        tensors = [v for v in (left, right) if v.tensor]
        if tensors and {left.kind, right.kind} <= {Kind.TENSOR, Kind.NUMBER, Kind.UNKNOWN, Kind.SIZE, Kind.ARRAY}:
            return self.arithmetic(node, tensors, left, right, op)
        for value in tensors if left.kind is not Kind.STRING else ():
            self.escape(value, None, "another class's operator may keep it")
        if Kind.ARRAY in (left.kind, right.kind):
            return ARRAY
        if left.kind is Kind.STRING:
            self.told([right], node)
            return STRING
        if left.kind is right.kind and left.kind in (Kind.NUMBER, Kind.SIZE):
            return replace(left, name="", live=join_live(iter((left.live, right.live))))
        if left.kind is Kind.LIST or right.kind is Kind.LIST:
            items = tuple(element(v) for v in (left, right) if v.kind is Kind.LIST and v.items)
            return replace(sequence(items), order=added(left, right))
        if Kind.SIZE in (left.kind, right.kind):
            return SIZE
        if any(v.kind is Kind.OTHER and v.name in self.program.index.classes for v in (left, right)):
            return UNKNOWN
        if Kind.TENSOR in (left.kind, right.kind):
            return tensor(1, None, Dtype.ANY, self.allocate(node))
        believed = any(v.kind is Kind.UNKNOWN and v.sure and v.live for v in (left, right))
        return replace(UNKNOWN, sure=int(believed), live=join_live(iter((left.live, right.live))))

    def arithmetic(self, node: ast.AST, tensors: list[Value], left: Value, right: Value, op: ast.operator) -> Value:
        """A tensor operation: always a new storage."""
        unknown = [v for v in (left, right) if v.kind is Kind.UNKNOWN]
        dtypes = {v.dtype for v in tensors}
        if Dtype.FLOAT in dtypes or isinstance(op, ast.Div):
            dtype = Dtype.FLOAT
        else:
            dtype = Dtype.ANY if unknown or len(dtypes) > 1 or _meets_a_float(node, left, right) else dtypes.pop()
        widths = {v.width for v in tensors if v.dtype not in (Dtype.INT, Dtype.BOOL)}
        width = widths.pop() if len(widths) == 1 else "?" if widths else ""
        width = "?" if Kind.ARRAY in (left.kind, right.kind) else width  # numpy's floats are 64 bits wide
        live = join_live(v.live for v in (left, right) if v in tensors or v.live is not False)
        if isinstance(op, BITS):
            dtype, live = _of_bits(tensors), False
        if dtype is Dtype.BOOL and Kind.NUMBER in (left.kind, right.kind):
            dtype = Dtype.INT  # `mask * 2`: a number makes integers of booleans, and one of them may be an index
        sure = max(v.sure for v in tensors)
        if unknown and (defines_operators(self.program.tree) or sure < 3):
            sure = min(2, *(v.sure for v in tensors))
            for value in tensors:
                self.escape(value, None, "another class's operator may keep it")
        elif unknown:
            self.program.gives.add(OPERANDS)
            width = "?" if self.program.words.mixes else width
        rows = (isinstance(op, ast.MatMult) or all(v.layout is Layout.ROWS for v in tensors)) and not unknown
        table = isinstance(op, ast.Add | ast.Sub) and {v.name for v in tensors} == {COLUMN, ROW}
        layout = Layout.ROWS if rows or table else Layout.DENSE
        memory = self.allocate(node)
        if isinstance(op, _QUIET):
            self.state.quiet |= memory
        name = SUMMED if sure == 2 and not unknown and any(v.name == SUMMED for v in tensors) else ""
        return Value(Kind.TENSOR, sure, live, dtype, memory, width=width, layout=layout, name=name)

    def unary(self, node: ast.AST, value: Value, op: ast.unaryop) -> Value:
        """`-x` is new, `+x` is x itself."""
        if isinstance(op, ast.Not):
            return TRUTH
        if value.tensor and not isinstance(op, ast.UAdd):
            made = replace(
                value,
                memory=self.allocate(node),
                maybe=NOWHERE,
                view=False,
                leaf=False,
                layout=min(value.layout, Layout.DENSE),
            )
            return replace(made, live=False, dtype=_of_bits([made])) if isinstance(op, ast.Invert) else made
        return value

    def compare(self, node: ast.Compare) -> Value:
        """Comparisons of tensors are boolean tensors."""
        first, *others = node.comparators
        values = [self.glance(node.left), self.glance(first), *map(self.perhaps, others)]
        if any(isinstance(op, (ast.Is, ast.IsNot, ast.In, ast.NotIn)) for op in node.ops):
            return TRUTH
        tensors = [v for v in values if v.tensor]
        for value in tensors if len(tensors) < sum(v.kind is not Kind.NUMBER for v in values) else ():
            self.escape(value, None, "another class's operator may keep it")
        if tensors:
            return tensor(min(v.sure for v in tensors), False, Dtype.BOOL, self.allocate(node))
        if any(v.kind is Kind.ARRAY for v in values):
            return ARRAY
        return UNKNOWN if any(v.kind is Kind.UNKNOWN for v in values) else TRUTH


def _of_bits(tensors: list[Value]) -> Dtype:
    """Dtype of `~m`, `m & n`: torch has them for integers and booleans only, which never require grad."""
    return next((v.dtype for v in tensors if v.dtype in (Dtype.INT, Dtype.BOOL)), Dtype.BOOL)


def _meets_a_float(node: ast.AST, left: Value, right: Value) -> bool:
    """True if a number that is no integer literal takes part: `mask * 0.5` has the default dtype."""
    operands = [node.left, node.right] if isinstance(node, ast.BinOp) else [None, None]
    numbers = [n for n, v in zip(operands, (left, right), strict=True) if v.kind is Kind.NUMBER]
    return any(not (isinstance(n, ast.Constant) and isinstance(n.value, int)) for n in numbers)
