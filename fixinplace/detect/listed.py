"""Lists of modules that keep what they are made with: `self.downs = nn.ModuleList([...])`.

Note [Fixed lists]
    What a loop over a `ModuleList` calls is one of the modules that the list was made with, if nobody adds to it, and
    nobody has it who could.  Both are told by the attribute's name, of whatever object in the file: it is bound to such
    a list and nothing else, gone through, measured, or asked for one element that is called at once.  Other files are
    assumed not to change what it holds, as with `Sequential`; see Note [Inner modules].
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from fixinplace import walking
from fixinplace.detect.index import dotted
from fixinplace.detect.values import Value
from fixinplace.walking import every, functions, remembered

LIST = "torch.nn.ModuleList"


def holds_all(value: Value) -> bool:
    """True if all in-place modules of a list are those of the elements that were followed."""
    return bool(value.items) and value.flags <= frozenset(flag for item in value.items for flag in item.flags)


@remembered
def fixed_lists(tree: ast.Module) -> frozenset[str]:
    """Attributes that hold lists of modules which never change; see Note [Fixed lists]."""
    above = walking.above(tree)
    attributes = every(tree, ast.Attribute)
    made = {one.attr for one in attributes if _is_made(one, above)}
    used = {one.attr for one in attributes if one.attr in made and not (_is_made(one, above) or _is_read(one, above))}
    named = {one.value for one in every(tree, ast.Constant) if isinstance(one.value, str)}
    return frozenset(made - used - named - {one.name for one in functions(tree)})


def _is_made(node: ast.Attribute, above: Mapping[int, ast.AST]) -> bool:
    """True for the target of `self.downs = nn.ModuleList(...)`."""
    match above.get(id(node)):
        case ast.Assign(targets=[target], value=ast.Call(func=func)) if target is node:
            return dotted(func).rsplit(".", 1)[-1] == "ModuleList"
    return False


def _is_read(node: ast.Attribute, above: Mapping[int, ast.AST]) -> bool:
    parent = above.get(id(node))
    match parent:
        case ast.For(iter=source) | ast.comprehension(iter=source):
            return source is node
        case ast.Call(func=ast.Name(id="len")):
            return True
        case ast.Call(func=ast.Name(id="enumerate" | "zip")):
            return isinstance(above.get(id(parent)), ast.For | ast.comprehension)
        case ast.Subscript(value=value, slice=index, ctx=ast.Load()) if value is node:
            called = above.get(id(parent))
            return not isinstance(index, ast.Slice) and isinstance(called, ast.Call) and called.func is parent
    return False
