"""Reasons why nothing that has to do with a piece of a file may be called safe, as far as its words show them.

Note [Words of a file]
    Some code changes what all other code means: it replaces layers, keeps what modules return, catches what torch
    raises, looks at strides.  It is recognised by the names that it must use, as names: `self.stride`, a keyword
    `stride=2`, `load_checkpoint` and `model_version` are none of them.  Text counts where something may look it up.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fixinplace import walking
from fixinplace.detect.anatomy import (
    is_of_config,
    is_of_entries,
    is_only_read,
    is_setattr,
    looks,
    puts_entries,
    removed,
)
from fixinplace.detect.elsewhere import is_made_elsewhere
from fixinplace.detect.handed import calls_what_it_is_handed, is_handed
from fixinplace.detect.handlers import exits
from fixinplace.detect.hooking import asks_for_hooks, is_for_weights
from fixinplace.detect.index import all_imports, dotted
from fixinplace.detect.inward import TAP, tapped
from fixinplace.detect.loaded import has_strangers
from fixinplace.detect.mixing import is_switched_off
from fixinplace.detect.remade import remade
from fixinplace.detect.replaced import is_of_tuple, replaced
from fixinplace.detect.swallowed import ends_errors, suppresses_other
from fixinplace.detect.vocabulary import (
    AGAIN,
    HANDLES,
    HOOKS,
    LASTING,
    LIBRARIES,
    REPLACES,
    RUNNING,
    SETS,
    SUBCLASS,
    SUPPRESSES,
    SWITCHES,
    TAPS,
    WORDS,
)
from fixinplace.walking import every, walk

_BY_TEXT = frozenset(
    "getattr setattr delattr hasattr attrgetter methodcaller import_module __import__ __getattribute__ __setattr__"
    " patch eval exec".split()
)
"""Functions that look up what a text names."""
_CHANGES_MODE = frozenset("no_grad inference_mode set_grad_enabled enable_grad _set_grad_enabled".split())
_ENTERS = frozenset("__enter__ __aenter__ enter_context enter_async_context ExitStack AsyncExitStack".split())
_CHECKPOINTS = re.compile(r"_*checkpoint(_(?!path|dir|file|name|state|dict|data|key|epoch|url|model|step)\w+)?|"
                          r"\w*checkpoint(ing)?_(wrapper|func|fn|seq\w*)")  # fmt: skip
Parents = Mapping[int, ast.AST]
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Said:
    """What the words of a piece of a file say.

    doubts: reasons why nothing that has to do with it may be called safe; lasting: those among them that concern all of
    the file. open_to_all: it calls what it is handed.
    changes_mode, enters: it names what changes grad mode, and what enters a context without `with`; together they are
    a doubt.
    """

    doubts: tuple[str, ...]
    lasting: tuple[str, ...]
    open_to_all: bool
    changes_mode: bool
    enters: bool


ENTERED = "the file enters contexts without `with`, and some switch grad mode"


def said(roots: Sequence[ast.AST], tree: ast.Module) -> Said:
    """What the words of some pieces of a file say; see Note [Words of a file]."""
    above = walking.above(tree)
    imports = {name: full.rsplit(".", 1)[-1] for name, full in all_imports(tree)}
    imports |= dict.fromkeys(["*" for one in every(tree, ast.alias) if one.name == "*"], "*")
    nodes = {id(node): node for root in roots for node in walk(root)}
    telling = (node for node in nodes.values() if type(node) in _TELLING)
    telling = (node for node in telling if not is_for_weights(node, above, tree))
    used = {id(node): name for node in telling for name in _words(node, imports, above)}
    worded = [(WORDS[name], nodes[index]) for index, name in used.items() if name in WORDS]
    worded = [one for one in worded if not (is_of_tuple(one[1], tree) or _is_told(*one, above, tree))]
    found: list[tuple[str, ast.AST]] = [*worded]
    found += [*_libraries(list(nodes.values()), tree), *_switches(nodes, used, above, imports)]
    for node in nodes.values():
        if type(node) in _SAYING:
            found += [(why, node) for why in _said(node, above, imports, tree)]
    found += [(REPLACES, one) for node in nodes.values() for one in _bound_in_passing(node)]
    found += [(HANDLES, node) for node in nodes.values() if _hands_errors(node)]
    found += [(why, node) for why, node in replaced(tree) if id(node) in nodes]
    found += [*_checkpoints(nodes.values(), tree), *looks(nodes.values(), above, tree)]
    open_to_all = any(map(calls_what_it_is_handed, roots))
    runs = RUNNING if open_to_all else frozenset[str]()
    lasting = dict.fromkeys(why for why, node in found if why in runs or _lasts(why, node, above, tree))
    names = frozenset(used.values())
    entered = frozenset(name for index, name in used.items() if not isinstance(nodes[index], _Function))
    return Said(tuple(dict.fromkeys(why for why, _ in found)), tuple(lasting), open_to_all,
                bool(names & _CHANGES_MODE), bool(entered & _ENTERS))  # fmt: skip


def _is_told(why: str, node: ast.AST, above: Parents, tree: ast.Module) -> bool:
    """True for `IntermediateLayerGetter(net)` with a network whose class is known, see Note [Own parts], and for
    `autocast(enabled=False)`.
    """
    name = node.name if isinstance(node, ast.alias) else dotted(node) if isinstance(node, ast.expr) else ""
    if why == WORDS["autocast"]:
        return is_switched_off(tree)
    if why != TAPS or name.rpartition(".")[2] != TAP:
        return False
    call = above.get(id(node))
    called = isinstance(call, ast.Call) and call.func is node
    return isinstance(node, ast.alias) or (called and tapped(call, above, tree) is not None)  # type: ignore[arg-type]


def _hands_errors(node: ast.AST) -> bool:
    """True for `optimize(objective, catch=(RuntimeError,))`: what is called ends the error."""
    if not isinstance(node, ast.keyword) or node.arg is None or "catch" not in node.arg:
        return False
    return any(one.id in ("RuntimeError", "Exception", "BaseException") for one in every(node.value, ast.Name))


def _bound_in_passing(node: ast.AST) -> Iterator[ast.expr]:
    """Attributes and elements that a loop or a `with` binds: `for net.norm in (...)` puts one part after the other."""
    match node:
        case ast.For(target=target) | ast.AsyncFor(target=target) | ast.comprehension(target=target):
            targets = [target]
        case ast.withitem(optional_vars=ast.expr() as target):
            targets = [target]
        case _:
            return
    yield from (one for each in targets for one in walk(each) if isinstance(one, ast.Attribute | ast.Subscript))


def _lasts(why: str, node: ast.AST, above: Parents, tree: ast.Module) -> bool:
    """True for a doubt that concerns every piece: it outlasts the call, or is about what may be of any class here,
    see Note [Handed objects].
    """
    if why in LASTING:
        return True
    around: ast.AST | None = node
    while around is not None and not isinstance(around, _Function | ast.ClassDef):
        around = above.get(id(around))
    if around is None and not isinstance(node, ast.alias):
        return True
    parent = above.get(id(node))
    call = node if isinstance(node, ast.Call) else parent if isinstance(parent, ast.Call) else None
    about = [each for each in (node, *(call.args[:1] if call else ())) if isinstance(each, ast.expr)]
    return has_strangers(tree) and any(is_handed(each, above) for each in about)


_TELLING = frozenset((ast.Attribute, ast.FunctionDef, ast.AsyncFunctionDef, ast.Name, ast.alias, ast.arg, ast.Constant))
_SAYING = frozenset(
    (ast.Attribute, ast.Call, ast.Try, ast.TryStar, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef, ast.Subscript)
)


def _said(node: ast.AST, above: Parents, imports: Mapping[str, str], tree: ast.Module) -> Iterator[str]:
    if isinstance(node, ast.Attribute):
        return _attribute(node, above, tree) if node.attr.startswith("_") or "_hooks" in node.attr else iter(())
    if isinstance(node, ast.Subscript):
        named = isinstance(node.slice, ast.Constant) and node.slice.value in ("_modules", "_parameters", "_buffers")
        return iter((REPLACES,) if named else ())
    return _call(node, imports, above) if isinstance(node, ast.Call) else _statement(node, tree)


def _words(node: ast.AST, imports: Mapping[str, str], above: Parents) -> Iterator[str]:
    """The last name of what an expression spells out, also where an import calls it otherwise or a text holds it."""
    match node:
        case ast.Attribute(attr="register_module") if not _adds_part(above.get(id(node)), node):
            return
        case ast.Attribute(attr="__setattr__") if is_setattr(above.get(id(node)), node):
            return
        case ast.Attribute(attr=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name
        case ast.Name(id="__setattr__" | "__delattr__", ctx=ast.Store()) if puts_entries(node, above):
            return
        case ast.Name(id=name):
            yield imports.get(name, name)
        case ast.alias(name=name):
            yield name.rsplit(".", 1)[-1]
        case ast.arg(arg=name):
            yield name
        case ast.Constant(value=str(text)) if _is_looked_up(node, above):
            yield text.rsplit(".", 1)[-1]


def _adds_part(parent: ast.AST | None, node: ast.Attribute) -> bool:
    """True unless it is a registry's method, which is given one class, or decorates it."""
    owner = dotted(node.value).rpartition(".")[2]
    alone = isinstance(parent, ast.Call) and parent.func is node and len(parent.args) + len(parent.keywords) < 2
    return not (alone or owner.isupper() or isinstance(parent, ast.ClassDef | _Function))


_Found = Iterator[tuple[str, ast.AST]]
"""Doubts, and the nodes that say so."""


def _libraries(nodes: Sequence[ast.AST], tree: ast.Module) -> _Found:
    """What is imported here, or reached through a module that the file imports."""
    imports = dict(all_imports(tree))
    paths: dict[str, ast.AST] = {}
    for node in nodes:
        match node:
            case ast.alias(name=name, asname=other):
                paths[imports.get(other or name.split(".")[0], name)] = node
            case ast.Attribute() if path := dotted(node):
                head, _, rest = path.partition(".")
                paths[f"{imports.get(head, head)}.{rest}"] = node
    for path, node in paths.items():
        if path == "contextlib.suppress" and suppresses_other(tree):
            continue
        yield from ((why, node) for name, why in LIBRARIES.items() if path == name or path.startswith(name + "."))


def _is_looked_up(node: ast.Constant, above: Parents) -> bool:
    """True for a text that is given to a function that looks names up, or kept where one may find it.

    Keys and keywords of settings are told apart by where they stand; what is a name of torch's is none of them.
    """
    parent = above.get(id(node))
    if isinstance(parent, ast.Call) and isinstance(parent.func, (ast.Name, ast.Attribute)):
        return dotted(parent.func).rsplit(".", 1)[-1] in _BY_TEXT
    return isinstance(node.value, str) and node.value in _CHANGES_MODE


def _switches(
    nodes: Mapping[int, ast.AST], used: Mapping[int, str], above: Parents, imports: Mapping[str, str]
) -> _Found:
    plain: set[int] = set()
    for node in nodes.values():
        if isinstance(node, (ast.With, ast.AsyncWith)):
            plain |= {id(_callee(item.context_expr)) for item in node.items if _ends(item.context_expr)}
        elif isinstance(node, _Function):
            plain |= {id(_callee(d)) for d in node.decorator_list if _is_literal(d)}
        elif isinstance(node, ast.alias):
            plain.add(id(node))
    unplain = (nodes[index] for index, name in used.items() if name in _CHANGES_MODE and index not in plain)
    yield from ((SWITCHES, node) for node in unplain if not _is_setting(node, above, imports))


def _is_setting(node: ast.AST, above: Parents, imports: Mapping[str, str]) -> bool:
    """True for a value of the file's own that has the name of a switch: `if self.inference_mode:`.

    One that is torch's is named as such somewhere, and one that is called or entered here may be anything.
    """
    parent = above.get(id(node))
    if isinstance(node, ast.arg) or (isinstance(parent, ast.Dict) and any(one is node for one in parent.keys)):
        return True
    match node:
        case ast.Attribute(value=ast.Name(id="self" | "cls" | "args" | "opt" | "cfg" | "config" | "hparams" as head)):
            own = head not in imports
        case ast.Name(id=name, ctx=ast.Load()):
            own = name not in imports and "*" not in imports
        case _:
            own = isinstance(node, ast.Name)
    called = isinstance(parent, ast.Call) and parent.func is node
    return own and not called and not isinstance(parent, ast.withitem | _Function | ast.ClassDef)


def _statement(node: ast.AST, tree: ast.Module) -> Iterator[str]:
    match node:
        case ast.Try() | ast.TryStar():
            if ends_errors(node, tree):
                yield HANDLES
            leaving = (ast.Return, ast.Break, ast.Continue)
            if any(isinstance(one, leaving) or exits(one) for last in node.finalbody for one in walk(last)):
                yield SUPPRESSES
        case ast.FunctionDef(name="__exit__") | ast.AsyncFunctionDef(name="__aexit__"):
            returned = (one.value for one in walk(node) if isinstance(one, ast.Return))
            if not all(one is None or (isinstance(one, ast.Constant) and not one.value) for one in returned):
                yield SUPPRESSES
        case ast.ClassDef(body=body) if any(_binds_exit(one) for one in body):
            yield SUPPRESSES
        case ast.ClassDef(bases=bases) if any(dotted(base).endswith("Tensor") for base in bases):
            yield SUBCLASS
    if isinstance(node, ast.ClassDef):
        yield from remade(node, tree)


def _binds_exit(node: ast.stmt) -> bool:
    """True for `__exit__ = leave` in a class."""
    targets = node.targets if isinstance(node, ast.Assign) else []
    return any(isinstance(one, ast.Name) and one.id in ("__exit__", "__aexit__") for one in targets)


def _callee(node: ast.expr) -> ast.expr:
    return node.func if isinstance(node, ast.Call) else node


def _ends(node: ast.expr) -> bool:
    """True for what switches grad mode for a block: inside, it is known or in doubt, and behind, it is as before."""
    name = dotted(_callee(node)).rsplit(".", 1)[-1]
    return _is_literal(node) or (isinstance(node, ast.Call) and name == "set_grad_enabled" and len(node.args) == 1)


def _is_literal(node: ast.expr) -> bool:
    """True for `torch.no_grad()` and `torch.set_grad_enabled(False)`: what they do is plain to see."""
    return not isinstance(node, ast.Call) or (not node.keywords and all(isinstance(a, ast.Constant) for a in node.args))


def _attribute(node: ast.Attribute, above: Parents, tree: ast.Module) -> Iterator[str]:
    """Tables of names that something may be put into, and hooks."""
    table = node.attr in ("_modules", "_parameters", "_buffers") and not is_made_elsewhere(node.value, tree)
    if table and not is_only_read(node, above) and not _loses_weight(node, above):
        yield REPLACES
    own = is_of_entries(node, above) or is_of_config(node, above)
    if node.attr in ("__setitem__", "__delitem__") and dotted(node.value).rpartition(".")[2] in _LISTS:
        yield REPLACES
    if node.attr == "__dict__" and not own and not is_only_read(node, above):
        yield "the file reaches into `__dict__`"
    if node.attr == "__class__" and not isinstance(node.ctx, ast.Load):
        yield REPLACES
    removes = node.attr == "__delattr__" and removed(above.get(id(node))) is not None
    if node.attr in ("__setattr__", "__delattr__") and not (removes or is_setattr(above.get(id(node)), node)):
        yield SETS
    if "_hooks" in node.attr and not asks_for_hooks(node, above):
        yield "the file reaches into hooks"


_LISTS = ("Sequential", "ModuleList", "ModuleDict")


def _loses_weight(node: ast.Attribute, above: Parents) -> bool:
    """True for `del module._parameters[name]`, after which no part is another one."""
    match above.get(id(node)):
        case ast.Subscript(value=value, ctx=ast.Del()):
            return value is node and node.attr != "_modules"
    return False


def _call(node: ast.Call, imports: Mapping[str, str], above: Parents) -> Iterator[str]:
    name = dotted(node.func).rsplit(".", 1)[-1]
    parent = above.get(id(node))
    into = isinstance(parent, ast.Subscript) and not isinstance(parent.slice, ast.Constant)
    if name == "vars" and node.args and (into or not is_only_read(node, above)):
        yield "the file reaches into `__dict__`"
    if any(k.arg == "return_exceptions" for k in node.keywords):
        yield SUPPRESSES
    if isinstance(node.func, ast.Attribute) and node.func.attr == "exception" and not (node.args or node.keywords):
        yield SUPPRESSES
    spelled = (one for a in node.args for one in walk(a) if isinstance(one, ast.Constant)) if name == "getattr" else ()
    if any(isinstance(one.value, str) and "hook" in one.value for one in spelled):
        yield HOOKS
    if isinstance(node.func, ast.Attribute) and node.func.attr == "stride":
        yield "the file looks at memory layouts"
    texts = [a.value for a in node.args if isinstance(a, ast.Constant)] if imports.get(name, name) in _BY_TEXT else []
    if "stride" in texts or "is_contiguous" in texts:
        yield "the file looks at memory layouts"
    if "checkpoint" in texts or "torch.utils.checkpoint" in texts:
        yield AGAIN


def _checkpoints(nodes: Iterable[ast.AST], tree: ast.Module) -> _Found:
    """Functions that run others again for backward, by the names that the field gives them."""
    reached = {name for name, full in all_imports(tree) if "checkpoint" in full and _is_framework(full)}
    for node in (one for one in nodes if isinstance(one, (ast.Call, ast.Name, ast.Constant))):
        match node:
            case ast.Call(func=func):
                path = dotted(func) or (func.attr if isinstance(func, ast.Attribute) else "")
                last, first = path.rsplit(".", 1)[-1], path.split(".")[0]
                if _CHECKPOINTS.fullmatch(last) or first in reached or ".checkpoint." in path:
                    yield AGAIN, node
            case ast.Name(id=name, ctx=ast.Load()) if name in reached:
                yield AGAIN, node
            case ast.Constant(value=str(text)) if "utils.checkpoint" in text:
                yield AGAIN, node


def _is_framework(path: str) -> bool:
    return path.split(".", maxsplit=1)[0] in (
        "torch",
        "fairscale",
        "deepspeed",
        "apex",
        "megatron",
        "xformers",
        "colossalai",
    )
