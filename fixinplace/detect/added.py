"""Names under which `add_module` puts parts into a module: which may be whose, and in which order they stand."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from fixinplace.detect.named import pattern
from fixinplace.detect.part_names import added_names
from fixinplace.detect.texts import names_arguments
from fixinplace.walking import every, walk


def named_apart(body: list[ast.stmt], others: Mapping[str, object]) -> bool:
    """True if every part that a body adds has a name of its own, which is nothing else's."""
    names: list[str] = []
    for node in (node for statement in body for node in walk(statement)):
        match node:
            case ast.Call(func=ast.Attribute(attr="add_module"), args=[ast.Constant(value=str(name)), _]):
                names.append(name)
            case ast.Call(func=ast.Attribute(attr="add_module")):
                return False
    return len(set(names)) == len(names) and not others.keys() & set(names)


def may_replace(body: list[ast.stmt], tree: ast.Module) -> bool:
    """True if a part that a body adds may take the place of one that has a number for its name, or its own name."""
    names = [name for statement in body for name in added_names(statement)]
    texts = [name.value for name in names if isinstance(name, ast.Constant)]
    if len({*texts}) < len(texts) or not all(map(_begins_with_a_letter, names)):
        return True
    elsewhere = {id(part) for name in added_names(tree) for part in walk(name)}
    elsewhere |= {id(one.value) for one in every(tree, ast.keyword)}  # `nonlinearity="relu"` names no part
    elsewhere |= {id(one) for each in every(tree, ast.Compare) for one in (each.left, *each.comparators)}
    elsewhere |= names_arguments(tree)
    others = {one.value for one in every(tree, ast.Constant) if isinstance(one.value, str) and id(one) not in elsewhere}
    patterns = [pattern(name) for name in names]
    return any(what is None or any(map(what.fullmatch, others)) for what in patterns)


def may_take_away(body: list[ast.stmt], tree: ast.Module) -> bool:
    """True if the file deletes what may be a part that a body adds: `del self.conv`, of whatever object."""
    gone = {one.attr for one in every(tree, ast.Attribute) if isinstance(one.ctx, ast.Del)}
    patterns = [pattern(name) for statement in body for name in added_names(statement)]
    return any(what is None or any(map(what.fullmatch, gone)) for what in patterns) and bool(gone)


def _begins_with_a_letter(node: ast.expr) -> bool:
    """`"conv"`, `f"conv{i}"`, `"conv%d" % i`, `"conv{}".format(i)`, `"conv" + str(i)`: no number, whatever follows."""
    match node:
        case ast.Constant(value=str(text)):
            return not text[:1].isdigit() and text[:1] not in ("", "%", "{")
        case ast.JoinedStr(values=[first, *_]) | ast.BinOp(left=first):
            return _begins_with_a_letter(first)
        case ast.Call(func=ast.Attribute(value=text, attr="format")):
            return _begins_with_a_letter(text)
    return False
