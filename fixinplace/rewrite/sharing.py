"""What stands between a clone and a write, and only shares the tensor: Note [Clones before sharing] in `earlier.py`.

What somebody else has may be asked by any call out of sight; what an object of a class of its own gets, it may compute
with.  Either would keep the clone, which the write then changes.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fixinplace.catalogue import result
from fixinplace.detect.index import dotted
from fixinplace.model import Span
from fixinplace.rewrite.guarded import is_view
from fixinplace.rewrite.slots import FUNCTIONS
from fixinplace.source import Text
from fixinplace.walking import children, every

_PUTS = ("append", "appendleft", "add", "insert", "extend")
_DISPLAYS = ast.List | ast.Tuple | ast.Set | ast.Dict
_NEW = (ast.List, ast.Tuple, ast.Set, ast.Dict, ast.ListComp, ast.DictComp)
_MAKES = ("list", "dict", "set", "deque", "collections.deque", "OrderedDict", "collections.OrderedDict", "defaultdict")
_ASKS = ("len", "range", "enumerate", "zip", "reversed", "print", "int", "float", "min", "max", "isinstance")
_OPERATORS = {f"__{way}{name}__" for way in ("", "r") for name in "add sub mul truediv pow matmul".split()}
_LOOKS = ("shape", "dtype", "device", "ndim", "size", "dim", "numel", "detach", "item")
"""What keeps nothing of the tensor for backward."""


@dataclass(slots=True)
class Region:
    """What stands between the clone and a write.

    written: the statements that write the tensor.  own: the containers of the function that nobody else has.
    local: all names that the function binds.  defined: the functions and methods of the file.
    names: who is the tensor, or a view of it.  held: what has got it.
    is_out: somebody else has it, whom any call out of sight may ask.
    """

    part: Text
    written: frozenset[Span]
    own: frozenset[str]
    local: frozenset[str]
    defined: frozenset[str]
    names: set[str]
    held: set[str] = field(default_factory=set)
    is_out: bool = False

    def shares(self, node: ast.stmt) -> bool:
        """True if a statement does nothing with the tensor but to share it, and to write it where it must."""
        if self.part.span(node) in self.written:
            return self.writes(node)
        if self.is_out and (self.may_ask(node) or not all(map(_is_of_torch, every(node, ast.Call)))):
            return False
        if not self.speaks_of(node) and not (isinstance(node, ast.Assign) and self.is_got(node.value)):
            return not isinstance(node, (*FUNCTIONS, ast.ClassDef))
        match node:
            case ast.Assign(targets=[ast.Name(id=bound)], value=value) if self.is_shared(value):
                (self.held if isinstance(value, _DISPLAYS) else self.names).add(bound)
                return True
            case ast.Assign(targets=[ast.Tuple(elts=parts)], value=ast.Name(id=holder)) if holder in self.held:
                return self.takes(parts)
            case ast.Assign(targets=[ast.Subscript(value=holder, slice=key)], value=value):
                return self.puts(holder, [value]) and not self.speaks_of(key)
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=holder, attr=attr), args=given, keywords=[])):
                return attr in _PUTS and self.puts(holder, given)
            case ast.If(test=header, body=body, orelse=rest) | ast.While(test=header, body=body, orelse=rest):
                return all(map(self.shares, (*body, *rest, *body))) and not self.speaks_of(header)
            case ast.For(target=target, iter=header, body=body, orelse=[]):
                return self.goes_over(target, header) and all(map(self.shares, (*body, *body)))
            case ast.Return():
                return True  # nothing is written behind it
        return False

    def may_ask(self, node: ast.AST) -> bool:
        """True for what may find the tensor where somebody else has it: a place of a container, a property."""
        places = (one for one in every(node, ast.Subscript) if isinstance(one.ctx, ast.Load))
        asked = any(one.attr in self.defined for one in every(node, ast.Attribute))
        computes = bool(self.defined & _OPERATORS) and any(every(node, ast.BinOp))
        return asked or computes or any(places) or any(every(node, ast.comprehension))

    def goes_over(self, target: ast.expr, header: ast.expr) -> bool:
        """True for a loop that has nothing to do with the tensor, and for one over what has got it."""
        match header, target:
            case ast.Call(func=ast.Name(id="enumerate"), args=[over]), ast.Tuple(elts=[ast.Name(), each]):
                return self.goes_over(each, over)
            case ast.Call(func=ast.Name(id="zip"), args=several), ast.Tuple(elts=parts) if len(several) == len(parts):
                return all(map(self.goes_over, parts, several))
            case ast.Name(id=name), _ if name in self.held:
                return self.takes([target])
        return not self.speaks_of(header) and not self.speaks_of(target)  # over a tensor torch takes no write

    def takes(self, targets: Sequence[ast.expr]) -> bool:
        """Names get what was held: tensors, or lists of such."""
        for each in targets:
            match each:
                case ast.Name(id=name):
                    self.names.add(name)
                case ast.Starred(value=ast.Name(id=name)):
                    self.held.add(name)
                case _:
                    return False
        return True

    def puts(self, holder: ast.expr, given: Sequence[ast.expr]) -> bool:
        """True if something that is no tensor of the region gets tensors of it."""
        if not dotted(holder) or any(each.id in self.names for each in every(holder, ast.Name)):
            return False
        path = dotted(holder)
        if isinstance(holder, ast.Name) and path in self.local - self.own:
            return False  # an object of a class of its own may compute with what it gets, or others have the list
        if path not in self.own and self.defined & {*_PUTS, "__setitem__"}:
            return False
        self.is_out |= path not in self.own and any(map(self.speaks_of, given))
        self.held.add(path)
        return all(map(self.is_shared, given))

    def writes(self, node: ast.stmt) -> bool:
        """True for a write on a line of its own whose operands are other tensors."""
        if self.is_out and isinstance(node, ast.AugAssign | ast.Assign) and self.may_ask(node.value):
            return False
        match node:
            case (
                ast.AugAssign(target=target, value=value) | ast.Assign(targets=[ast.Subscript() as target], value=value)
            ):
                return self.is_got(target) and not self.speaks_of(value)
            case ast.Expr(value=ast.Call(func=function, args=given, keywords=words)):
                operands = [*given, *(word.value for word in words)]
                if isinstance(function, ast.Attribute) and self.speaks_of(function.value):
                    operands.insert(0, function.value)
                return (
                    bool(operands) and is_view(operands[0], self.names) and not any(map(self.speaks_of, operands[1:]))
                )
        return False

    def is_shared(self, node: ast.expr) -> bool:
        """True for a name, a view, a display of such, and for what does not speak of the tensor at all."""
        match node:
            case ast.List(elts=inner) | ast.Tuple(elts=inner) | ast.Set(elts=inner) | ast.Dict(values=inner):
                return all(map(self.is_shared, inner))
            case ast.IfExp(test=test, body=body, orelse=rest):
                return not self.speaks_of(test) and self.is_shared(body) and self.is_shared(rest)
        return self.is_got(node) or not self.speaks_of(node)

    def is_got(self, node: ast.expr) -> bool:
        """True for the tensor and what has got it, and for a view of such."""
        return is_view(node, self.names | self.held)

    def speaks_of(self, node: ast.AST) -> bool:
        """True if the tensor, or what has got it, is mentioned, other than to ask for its size or its numbers."""
        match node:
            case ast.Attribute(value=ast.Name(), attr=attr) if attr in _LOOKS:
                return False
            case ast.Name() | ast.Attribute() if dotted(node) in self.names | self.held:
                return True
        return any(map(self.speaks_of, children(node)))


def handed_out(scope: ast.AST, region: Sequence[ast.stmt], parents: Mapping[int, ast.AST]) -> frozenset[str]:
    """The names of a function that stand for anything else than a container which it has made, and nobody else has."""
    inside = {id(name) for node in region for name in every(node, ast.Name)}
    end = region[-1].end_lineno or region[-1].lineno
    uses = [one for one in every(scope, ast.Name) if one.lineno <= end and id(one) not in inside]
    return frozenset(one.id for one in uses if not _is_plain(one, parents))


def _is_plain(node: ast.Name, parents: Mapping[int, ast.AST]) -> bool:
    """True where a name gets a new container, and where something is put into it or taken out."""
    parent = parents[id(node)]
    user = parents[id(parent)]
    match parent:
        case ast.Assign(targets=targets, value=value) if node in targets:
            return _is_new(value)
        case ast.Tuple(elts=parts) if isinstance(user, ast.Assign) and isinstance(user.value, ast.Tuple):
            given = dict(zip(map(id, parts), user.value.elts, strict=False))
            return id(node) in given and _is_new(given[id(node)])
        case ast.Attribute(attr=attr):
            return attr in _PUTS and isinstance(user, ast.Call) and isinstance(parents[id(user)], ast.Expr)
        case ast.Subscript(value=value):
            return value is node
    return False


def _is_new(node: ast.expr) -> bool:
    return isinstance(node, _NEW) or (isinstance(node, ast.Call) and dotted(node.func) in _MAKES)


def _is_of_torch(call: ast.Call) -> bool:
    """True for a call that looks at nothing but what it is given."""
    root, _, method = dotted(call.func).rpartition(".")
    known = isinstance(call.func, ast.Attribute) and result(f"Tensor.{call.func.attr}") is not None
    return known or root.partition(".")[0] in ("torch", "F", "math", "np") or (not root and method in _ASKS)
