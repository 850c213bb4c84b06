"""Names that a file gives to the parts of modules, as far as they are written down."""

from __future__ import annotations

import ast

from fixinplace.walking import every, remembered


@remembered
def named_parts(tree: ast.Module) -> frozenset[str]:
    """Names that the file gives to parts: `add_module("conv", ...)`, `OrderedDict([("conv", ...)])`."""
    added = (name.value for name in added_names(tree) if isinstance(name, ast.Constant))
    pairs = (one.elts[0] for one in every(tree, ast.Tuple) if len(one.elts) > 1)
    listed = (first.value for first in pairs if isinstance(first, ast.Constant))
    return frozenset(name for name in (*added, *listed) if isinstance(name, str))


def added_names(root: ast.AST) -> list[ast.expr]:
    """The names that `add_module` is given."""
    added = (one for one in every(root, ast.Call) if isinstance(one.func, ast.Attribute) and len(one.args) == 2)
    return [one.args[0] for one in added if isinstance(one.func, ast.Attribute) and one.func.attr == "add_module"]


@remembered
def stored_attributes(tree: ast.Module) -> frozenset[str]:
    """Attributes that the file sets, of whatever; not those that are numbers and parameters of modules."""
    return _stored(tree) - _NUMBERS


def parts_or_attributes(tree: ast.Module) -> frozenset[str]:
    """Attributes that the file sets, and names that it gives to parts of a `Sequential`."""
    return stored_attributes(tree) | (named_parts(tree) - _NUMBERS)


@remembered
def parts_like_numbers(tree: ast.Module) -> frozenset[str]:
    """Attributes that the file sets by names that numbers and parameters have: `self.bias = nn.ReLU(inplace=True)`."""
    return _stored(tree) & _NUMBERS


@remembered
def _stored(tree: ast.Module) -> frozenset[str]:
    set_ = {one.attr for one in every(tree, ast.Attribute) if isinstance(one.ctx, ast.Store)}
    bodies = (one for cls in every(tree, ast.ClassDef) for one in cls.body)
    plain = (one for one in bodies if isinstance(one, ast.Assign | ast.AnnAssign))
    named = {one.id for body in plain for one in every(body, ast.Name) if isinstance(one.ctx, ast.Store)}
    return frozenset(set_ | named | _set_by_name(tree))


def _set_by_name(tree: ast.Module) -> set[str]:
    """`act` of `self.add_module("act", ...)` and `setattr(self, "act", ...)`."""
    found: set[str] = set()
    for call in every(tree, ast.Call):
        match call:
            case ast.Call(func=ast.Attribute(attr="add_module"), args=[ast.Constant(value=str(name)), _]):
                found.add(name)
            case ast.Call(func=ast.Name(id="setattr"), args=[_, ast.Constant(value=str(name)), _]):
                found.add(name)
    return found


_NUMBERS = frozenset(
    "weight bias in_features out_features in_channels out_channels kernel_size stride padding dilation groups"
    " inplace momentum eps num_features training".split()
)
"""What modules have by these names is no module."""
