"""Attributes that are set, read and removed by a text: `setattr(self, f"layer{i}", block)`, `self.add_module(name, m)`.

What the text leaves open is matched against the names that the file's classes give their attributes and methods: a
text that can be none of them changes nothing that is known.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence

from fixinplace.detect import patterned
from fixinplace.detect.cut import is_replaced
from fixinplace.detect.elsewhere import is_made_elsewhere
from fixinplace.detect.frame import Frame
from fixinplace.detect.index import all_imports, dotted
from fixinplace.detect.kinds import Kind
from fixinplace.detect.liveness import Function
from fixinplace.detect.loaded import has_strangers
from fixinplace.detect.lookups import IDENTIFIER
from fixinplace.detect.other_kind import is_plain_layer
from fixinplace.detect.part_names import added_names, named_parts
from fixinplace.detect.placing import lost
from fixinplace.detect.scopes import assigned
from fixinplace.detect.single_lookups import AGAIN, own_names
from fixinplace.detect.texts import names_arguments
from fixinplace.detect.values import UNKNOWN, Value
from fixinplace.detect.vocabulary import REPLACES, SETS
from fixinplace.detect.weights import is_computed
from fixinplace.detect.whose import classes_of
from fixinplace.walking import every, remembered

COMPUTED = "a name that is computed for a part of a module is that of no other part"
_FIELD = re.compile(r"%[-#0 +]*\d*(?:\.\d+)?[sdifxr]|\{[^{}]*\}")


def pattern(node: ast.expr | None) -> re.Pattern[str] | None:
    """What a text may spell; None if that may be anything."""
    found = _spelled(node)
    fixed = all(re.search(r"\w", one.replace(".*", "")) for one in re.split(r"\(\?:|\||\)", found) if one)
    return re.compile(found) if fixed and re.search(r"\w", found.replace(".*", "")) else None


def _spelled(node: ast.expr | None) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return re.escape(text)
        case ast.JoinedStr(values=values):
            return "".join(_spelled(value) for value in values)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _spelled(left) + _spelled(right)
        case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Mod()):
            return ".*".join(map(re.escape, _FIELD.split(text)))
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(text)), attr="format")):
            return ".*".join(map(re.escape, _FIELD.split(text)))
        case ast.Subscript(value=ast.Tuple(elts=elts)) | ast.Subscript(value=ast.List(elts=elts)):
            return f"(?:{'|'.join(map(_spelled, elts))})"
        case ast.IfExp(body=body, orelse=orelse):
            return f"(?:{_spelled(body)}|{_spelled(orelse)})"
        case ast.Call(func=ast.Name(id="str")) | _:
            return ".*"


def is_attribute(frame: Frame, base: Value, name: ast.expr | None) -> bool:
    """True for `add_module("act", ...)`, `setattr(self, "act", ...)`: an attribute as others, unless of a `Sequential`.

    False for a class that has something else of that name, which is found before parts are.
    """
    index = frame.program.index
    if "torch.nn.Sequential" in index.bases(base.name):
        return False
    match name:
        case ast.Constant(value=str(text)) if text.isidentifier() and base.name in index.classes:
            family = index.family(base.name)
            return not any(text in info.methods or text in assigned(info.node) for info in family)
    return False


def is_plain_part(frame: Frame, base: Value, name: ast.expr | None) -> bool:
    """True for a part of one of the file's own objects that goes by one written name, and is called by that alone."""
    index = frame.program.index
    if not is_attribute(frame, base, name):
        return False
    added = (one for info in index.family(base.name) for one in added_names(info.node))
    return all(isinstance(one, ast.Constant) for one in added)


def is_put_together(node: ast.expr | None) -> bool:
    """True for a text of several pieces: `"{}_{}".format(i, kind)`, `f"{i}{kind}"`, `str(i) + kind`."""
    match node:
        case ast.JoinedStr(values=[_, _, *_]) | ast.BinOp(op=ast.Add() | ast.Mod()):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str()), attr="format"), args=[_, _, *_]):
            return True
    return False


def is_unread(frame: Frame, node: ast.expr) -> bool:
    """True for a call of a function of the file that is to be read for the first time yet: a later round tells."""
    match node:
        case ast.Call(func=ast.Name(id=name)) if name in frame.program.index.functions:
            return frame.program.summary(("", name)) is None
    return False


def set_by_name(
    frame: Frame, base: Value, name: ast.expr | None, value: Value, why: str, given: ast.expr | None = None
) -> None:
    """`setattr(base, name, value)`: what is known stays true unless the name may be one that the file uses.

    given: the text of the value, of which nothing is known before it is read.
    """
    if given is not None and is_unread(frame, given):
        return
    what = pattern(name)
    computed = why == SETS and given is not None and is_computed(given, frame.above, frame.program.tree)
    module = value.kind is Kind.MODULE and bool(value.sure)
    plain = module and is_attribute(frame, base, name)
    for flag in value.flags if not (plain or (module and patterned.is_followed(frame, base, what))) else ():
        frame.program.note_use(flag, "it is given a name that its calls are not followed by")
    by = None if given is None else frame.above.get(id(given))
    frame.escape(value, None, "an attribute that is set by name holds it", by if isinstance(by, ast.Call) else None)
    if base.tensor:
        frame.escape(base, None, "an attribute is set on the tensor itself")
    frame.held |= value.memory | value.maybe
    own = base.name in frame.program.index.classes
    if why == SETS and (value.kind in (Kind.NONE, Kind.STRING) or _is_settings(frame, base)):
        return
    if computed and not value.flags and not (what is not None and what.fullmatch("inplace")):
        return
    if own and why == REPLACES and what is None and not frame.program.index.method(base.name, "add_module"):
        frame.program.gives.add(COMPUTED)
        frame.program.index.note_attribute(base.name, _place(name), value)
        return
    if own:
        patterned.put(frame, base, what, value)
    plain = plain or (own and not value.flags and is_plain_part(frame, base, name))
    if plain and isinstance(name, ast.Constant):
        frame.state.attrs = {k: v for k, v in frame.state.attrs.items() if k.rpartition(".")[2] != name.value}
        frame.program.index.note_attribute(base.name, str(name.value), value)
        return
    if own and module and is_put_together(name) and not (what is not None and patterned.is_begun(what)):
        frame.program.gives.add(COMPUTED)
        frame.program.index.note_attribute(base.name, _place(name), value)
        if what is not None:
            _may_be_any(frame, base, value, what)
        return
    if own and module:
        _may_be_any(frame, base, value, what)  # `nn.Module` finds methods, and flags, before its parts
        return
    numbered = not own and what is not None and what.pattern.isdigit()
    if (
        numbered
        or what is None
        or (not own and isinstance(name, ast.Constant) and name.value in named_parts(frame.program.tree))
        or what.fullmatch("data")
        or any(what.fullmatch(known) for known in _names(frame, base))
    ):
        handing_on = value.kind is Kind.MODULE and is_replaced(
            frame.program, value
        )  # `setattr(m, name, nn.Identity())`
        frame.program.doubt(why, everywhere=not base.name and (handing_on or has_strangers(frame.program.tree)))


def _is_settings(frame: Frame, base: Value) -> bool:
    """True for an object of a class that is no module and has no methods but special ones: its attributes, whichever
    they are, may be anything from now on.
    """
    index = frame.program.index
    family = (*index.lineage(base.name), *index.heirs(base.name)) if base.name in index.classes else ()
    plain = all(name.startswith("__") for info in family for name in info.methods)
    if not family or not plain or any({*index.bases(info.name)} - {"object", *index.classes} for info in family):
        return False
    for info in family:
        for attr in {*info.attrs, *info.known}:
            index.note_attribute(info.name, attr, UNKNOWN)
    return True


def is_of_settings(node: ast.expr, tree: ast.Module) -> bool:
    """True for what the field calls the options of a program, where nobody calls it or binds it to what may be one."""
    name = dotted(node).rpartition(".")[2]
    if name not in _SETTINGS:
        return False
    called = any(dotted(one.func).rpartition(".")[2] == name for one in every(tree, ast.Call))
    classes = {one.name for one in every(tree, ast.ClassDef)}
    bound = (one for one in every(tree, ast.Assign) if any(dotted(t).rpartition(".")[2] == name for t in one.targets))
    made = (dotted(one.value.func) for one in bound if isinstance(one.value, ast.Call))
    return not called and not any(one.rpartition(".")[2] in classes for one in made)


_SETTINGS = frozenset("args opt opts options cfg config conf configs hparams hps settings flags FLAGS".split())


def _may_be_any(frame: Frame, base: Value, value: Value, what: re.Pattern[str] | None) -> None:
    """A module goes where a text says: into any attribute of the class, and of those around it, that it may spell."""
    index = frame.program.index
    index.ledger.unrepeatable()
    for info in (*index.lineage(base.name), *index.heirs(base.name)):
        for attr in {*info.attrs, *info.known}:
            if what is None or what.fullmatch(attr):
                index.note_attribute(info.name, attr, value)


def _names(frame: Frame, base: Value) -> set[str]:
    """Names that mean something for the class of `base`, or for any class of the file if that is not known."""
    index = frame.program.index
    own = base.name in index.classes
    classes = [*index.lineage(base.name), *index.heirs(base.name)] if own else index.classes.values()
    index.ledger.unrepeatable()
    names = {"forward", "inplace", "__call__", "__class__"}
    if not own:  # the file itself, perhaps
        names |= {*index.classes, *index.functions}
    for info in classes:
        names |= {*info.attrs, *info.known, *info.methods}
    computed = {one for one in names if one.startswith("<")}
    frame.program.gives |= {COMPUTED} if computed else set()
    return names - computed


def is_own_attribute(frame: Frame, base: Value, name: str | None) -> bool:
    """True for what only the methods of a class bind: once it is gone, nothing of the class is found in its place."""
    index = frame.program.index
    if name is None or base.name not in index.classes:
        return False
    family = (*index.lineage(base.name), *index.heirs(base.name))
    return not any(name in info.methods or name in assigned(info.node) for info in family)


def _place(name: ast.expr | None) -> str:
    """Where a class keeps what it puts under a name that it computes: the same name leads to it."""
    return f"<{ast.unparse(name)}>" if name is not None else "<>"


def got_by_name(frame: Frame, base: Value, name: ast.expr | None, owner: ast.expr) -> Value | None:
    """`getattr(owner, name)`: note that the modules that the name may be are called in ways that are not followed.

    A class that puts parts under names that it computes finds those again by names that it computes: what was put
    under this very one, if there is any.
    """
    index = frame.program.index
    what = pattern(name)
    index.ledger.unrepeatable()
    lost(frame.program, [base], "it is reached by name")
    if (
        base.kind is Kind.PATH
        or is_made_elsewhere(owner, frame.program.tree)
        or is_of_settings(owner, frame.program.tree)
        or (base.tensor and base.sure == 3)
        or is_plain_layer(base.name)
    ):
        return None  # what a file that is imported defines: no part of a module
    own = base.name in index.classes
    family = (*index.lineage(base.name), *index.heirs(base.name)) if own else (*classes_of(frame, owner),)
    spelled: frozenset[str] | None = None
    whole = isinstance(name, ast.Name) or (isinstance(name, ast.Attribute) and dotted(name.value) == "self")
    if what is None and own and whole and any(_computes_names(info.node) for info in family):
        frame.program.gives.add(COMPUTED)
        spelled = spelled_out(frame.program.tree)
    part = patterned.found(frame, base, what) if own else None
    for info in family:
        attributes = {*info.attrs, *info.known}
        for attr in attributes if spelled is None else {one for one in attributes if _is_spelled(one, spelled)}:
            value = info.attribute(attr) if patterned.may_reach(what, attr) else None
            followed = part is not None and (what is None or not what.fullmatch(attr))
            for flag in value.flags if value is not None and not followed else ():
                frame.program.note_use(flag, "it is reached by name")
    frame.program.gives |= {COMPUTED} if part is not None else set()
    if spelled is None and (part is not None or not own or not is_put_together(name)):
        return part
    return index.attribute(base.name, _place(name))


def is_imported(node: ast.expr, body: Sequence[ast.stmt], tree: ast.Module) -> bool:
    """True for a name of modules: what `importlib.import_module(...)` returns, imports, the file's name for itself."""
    if not isinstance(node, ast.Name):
        return False
    shared = (one for one in tree.body if isinstance(one, ast.Assign | ast.AnnAssign))
    if any(_makes_in_place(call) for one in shared for call in every(one, ast.Call)):
        return False  # which may be found in the file's own names
    names = [one for each in body for one in every(each, ast.Name) if one.id == node.id]
    stored = [one for one in names if isinstance(one.ctx, ast.Store)]
    if not stored:
        elsewhere = {one.arg for one in every(tree, ast.arg)} | frozenset(dict(all_imports(tree))) - own_names(tree)
        return node.id in own_names(tree) and node.id not in elsewhere
    assigned = (one for each in body for one in every(each, ast.Assign))
    bound = [one.value for one in assigned if any(_is_name(target, node.id) for target in one.targets)]
    made = [one for one in bound if isinstance(one, ast.Call) and _imports(one, node.id)]
    return len(stored) == len(bound) == len(made)


def _imports(call: ast.Call, name: str) -> bool:
    """True for `mod = import_module(path)`, and `mod = getattr(mod, part)` behind it."""
    if dotted(call.func) == "getattr" and call.args:
        return _is_name(call.args[0], name)
    return dotted(call.func).rpartition(".")[2] in ("import_module", "__import__")


def _makes_in_place(call: ast.Call) -> bool:
    told = any(one.arg in ("inplace", None) for one in call.keywords)
    return told or any(isinstance(one, ast.Constant) and one.value is True for one in call.args)


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _is_spelled(attr: str, spelled: frozenset[str]) -> bool:
    """True for a name that a text of the file is, or may be with a number behind it, and for one put together."""
    return attr.startswith("<~") or attr in spelled or attr.rstrip("0123456789_") in spelled


@remembered
def spelled_out(tree: ast.Module) -> frozenset[str]:
    """Words of all texts of a file but those that explain, and the names of keywords, which may become texts."""
    explaining = {id(one.value) for one in every(tree, ast.Expr)} | names_arguments(tree)
    texts = (one.value for one in every(tree, ast.Constant) if id(one) not in explaining)
    words = {word for text in texts if isinstance(text, str) for word in IDENTIFIER.findall(text)}
    return frozenset(words | {one.arg for one in every(tree, ast.keyword) if one.arg is not None})


def _computes_names(cls: ast.ClassDef) -> bool:
    """True for a class that puts parts into itself under names that are not written down."""
    for call in every(cls, ast.Call):
        match call:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr="add_module"), args=[name, _]):
                computed = not isinstance(name, ast.Constant)
            case ast.Call(func=ast.Name(id="setattr"), args=[ast.Name(id="self"), name, _]):
                computed = not isinstance(name, ast.Constant)
            case _:
                continue
        if computed:
            return True
    return False


def keys_apart(body: Sequence[ast.stmt], above: Mapping[int, ast.AST]) -> bool:
    """True if no pair `(name, part)` of a function can have the name of another one: an `OrderedDict` keeps one."""
    keys = _keys(body)
    texts = [one for one in keys if isinstance(one, ast.Constant)]
    others = [one for one in keys if not isinstance(one, ast.Constant)]
    twice = [(a, b) for a, b in itertools.combinations(keys, 2) if ast.dump(a) == ast.dump(b)]
    if not all(_is_either(a, b, above) for a, b in twice):
        return False
    return not any(may_be(one, str(text.value)) for one in others for text in texts)


def _is_either(a: ast.AST, b: ast.AST, above: Mapping[int, ast.AST]) -> bool:
    """True if only one of two nodes is ever come to in a call: they stand in two branches, and no loop is around."""
    ways = _ways(b, above)
    return any(way != ways.get(branch, way) for branch, way in _ways(a, above).items())


def _ways(key: ast.AST, above: Mapping[int, ast.AST]) -> dict[int, str]:
    """For each `if` around a name that no loop comes to again, the branch that the name stands in."""
    ways: dict[int, str] = {}
    node, parent = key, above.get(id(key))
    while parent is not None and not isinstance(parent, Function | ast.Lambda):
        if isinstance(parent, AGAIN) and not _is_key_of(key, parent):
            ways.clear()
        elif isinstance(parent, ast.If):
            ways[id(parent)] = next((side for side in ("body", "orelse") if node in getattr(parent, side)), "test")
        node, parent = parent, above.get(id(parent))
    return ways


def _is_key_of(key: ast.AST, loop: ast.AST) -> bool:
    """True for `name` within `for name, spec in table.items():`, which is another one in each round."""
    match key, loop:
        case ast.Name(id=name), ast.For(target=ast.Tuple(elts=[ast.Name(id=first), _]), iter=ast.Call(func=func)):
            return name == first and isinstance(func, ast.Attribute) and func.attr == "items"
    return False


def keys_among(body: Sequence[ast.stmt], names: Iterable[str]) -> bool:
    """True if a pair `(name, part)` of a function may have one of some names."""
    return any(may_be(key, name) for key in _keys(body) for name in names)


def _keys(body: Sequence[ast.stmt]) -> list[ast.expr]:
    tuples = (one for statement in body for one in every(statement, ast.Tuple) if isinstance(one.ctx, ast.Load))
    pairs = [one for one in tuples if len(one.elts) == 2]
    keys = [one.elts[0] for one in pairs if isinstance(one.elts[1], (ast.Call, ast.Name, ast.Attribute))]
    return [one for one in keys if not isinstance(one, ast.Constant) or isinstance(one.value, str)]


def may_be(key: ast.expr, text: str) -> bool:
    """True if a name, which may be computed, may be this text."""
    what = pattern(key)
    return what is None or what.fullmatch(text) is not None
