"""Doubts that a run with made inputs leaves as they were.

Note [One use of many]
    Made inputs show one use of a class, with the values that a constructor has by default or that fit its shapes.
    Whether a function from elsewhere hands on its argument (`functools.reduce` of one element, a callable that was
    passed in, `getattr(nn, name)()`), keeps it every hundredth call, or catches what torch raises for another shape,
    shows in another use.  Where detection names such a doubt, only a run that the author left, or one that was
    recorded, settles it.  What makes an object of the tensor (`deque([h])`) does so in every use.  What parts of a
    module are called with is another matter: `x = self.norm(x)` is run with the classes that the file or its defaults
    name, and once more with identities.  So where all that may hand on a tensor are parts that a constructor makes of
    classes that it is given (`self.branch = conv_block(dim)`), the runs tell.  Where a class of the file has an
    `__iadd__` of its own, a part that a setting chooses may be that class.  And code that asks a tensor for its
    version, or a layer whether it works in place, is told something else once that has changed; nothing calls it with
    what the class makes.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from fixinplace.catalogue.overlay import OPERATORS
from fixinplace.detect.keepers import is_maker
from fixinplace.model import Fix

_SHARED = re.compile(r".* may share the memory through code that cannot be seen here")
_PART = re.compile(r"`self\.(\w+)\(\.\.\.\)`")
_COMES = re.compile(r"the tensor comes from .*, which may hold on to it")
_LEFT = (
    _SHARED.pattern,
    r".* may share its memory",
    r"the tensor comes from (?!`(self\.|super\()).*, which may hold on to it",
    r"(?!`(self\.|super\()).* may keep it",
    r"a container holds it",
    r"`.*` holds it",
    r"others may hold the tensor of .*",
    r"where the tensor comes from is not known",
    r"it is used in a way that may hold on to it",
    r"`.*` is set on the tensor itself",
    r"an error raised by the write may be handled here",
    r"the file (handles errors that torch may raise|suppresses errors)",
    r"the file (holds weak references|makes tensors of other classes|defines a class of tensors)",
    r"the file registers forward hooks.*",
    r"the file has hooks, and one may keep .*",
    r"`.*` is given it, and may call it",
)
_FLAGS = ("inplace-module", "inplace-attribute")
_ONE = "made inputs show one use of it, which cannot tell"
_LEFT_OPEN = re.compile("|".join(f"(?:{one})" for one in _LEFT))


def untold(fixes: Sequence[Fix], tree: ast.Module) -> dict[int, str]:
    """The groups of fixes with such a doubt, and what to say of it."""
    told: dict[int, str] = {}
    given, own, asked = _of_given_classes(tree), _has_own_operators(tree), _asked(tree)
    for fix in fixes:
        for place in (asked.get("_version"), asked.get("inplace") if fix.rewrite in _FLAGS else None):
            if place is not None:
                told.setdefault(fix.group, f"{_ONE}: {place} is told something else afterwards")
        met = {each.doubt for each in fix.keepers if is_maker(each.text.partition("(")[0].rpartition(".")[2])}
        parts = {part for doubt in fix.doubts for part in _PART.findall(doubt)}
        for doubt in fix.doubts:
            runs = bool(parts) and parts <= given and _SHARED.fullmatch(doubt)
            if (_LEFT_OPEN.fullmatch(doubt) and doubt not in met and not runs) or (own and _COMES.fullmatch(doubt)):
                told.setdefault(fix.group, f"{_ONE}: {doubt}")
    return told


def _asked(tree: ast.Module) -> dict[str, str]:
    """What is asked of an object that is not one's own: the counter of a tensor, the flag of a layer; and where."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=owner, attr="_version" | "inplace" as attr, ctx=ast.Load()):
                if not (isinstance(owner, ast.Name) and owner.id == "self"):
                    found.setdefault(attr, f"`{ast.unparse(node)}` in line {node.lineno}")
    return found


def _has_own_operators(tree: ast.Module) -> bool:
    """True if a class of the file says what `+=` does to its objects: what such an object counts, `+` may not."""
    return any(isinstance(node, ast.FunctionDef) and node.name in OPERATORS for node in ast.walk(tree))


def _of_given_classes(tree: ast.Module) -> frozenset[str]:
    """Attributes that some constructor makes by calling what it was given: `self.norm = norm_layer(dim)`."""
    found: set[str] = set()
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "__init__"):
        arguments = function.args
        names = {each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
        for node in ast.walk(function):
            match node:
                case ast.Assign(targets=[ast.Attribute(attr=attr)], value=ast.Call(func=ast.Name(id=name))):
                    found |= {attr} if name in names else set()
    return frozenset(found)
