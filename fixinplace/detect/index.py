"""What a file defines: its classes, functions and the names under which libraries are known."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from fixinplace.detect.calling import called_plainly, is_called_elsewhere
from fixinplace.detect.kinds import Kind
from fixinplace.detect.ledger import Ledger
from fixinplace.detect.liveness import Function
from fixinplace.detect.parents import parents
from fixinplace.detect.scopes import ambiguous, assigned, rebound
from fixinplace.detect.values import NOWHERE, UNKNOWN, Memories, Value, join, limited
from fixinplace.walking import every, functions, remembered, walk

_UPDATE_ARGUMENTS = ("param", "grad", "exp_avg", "lr", "weight_decay", "beta", "eps", "momentum", "state", "square_avg")
_OPTIMIZERS = {"optim", "optimizer", "optimizers"}
"""Modules and packages of optimizers, by the names that the field gives them."""
_KEEPING_DECORATORS = ("no_grad", "enable_grad", "inference_mode", "script", "compile", "lru_cache", "cache")
"""Decorators after which a function is still called by its name alone."""
_MODULE_BASES = ("Module", "LightningModule", "PreTrainedModel", "ScriptModule")


@dataclass
class ClassInfo:
    """A class of the file.

    attrs, known: what attributes are bound to, as far as this round has read, and in the whole round before.
    numbers: attributes that are used as numbers, whatever they are bound to. buffers: those registered as such.
    """

    name: str
    node: ast.ClassDef
    bases: tuple[str, ...]
    methods: dict[str, Function]
    attrs: dict[str, Value] = field(default_factory=dict)
    known: dict[str, Value] = field(default_factory=dict)
    numbers: dict[str, Value] = field(default_factory=dict)
    buffers: set[str] = field(default_factory=set)

    def attribute(self, name: str) -> Value | None:
        """What the attribute was bound to in the last round, or so far if this is the first one."""
        return self.known.get(name, self.attrs.get(name))


@dataclass
class Index:
    """Classes and functions of one file, by the names that other code uses.

    stars: modules that everything is imported from. rebound: names that something else may be bound to as well.
    private: functions whose name says that only this file calls them, and which it does nothing else with.
    program: the file is run by itself, so that what it defines is called by what stands in it.
    closed: functions that are called here, and nowhere else as far as can be told: private ones, or any of a program.
    called: functions that the file calls and does nothing else with; others may call them as well.
    """

    classes: dict[str, ClassInfo] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    stars: tuple[str, ...] = ()
    rebound: frozenset[str] = frozenset()
    private: frozenset[str] = frozenset()
    program: bool = False
    closed: frozenset[str] = frozenset()
    called: frozenset[str] = frozenset()
    ledger: Ledger = field(default_factory=Ledger)
    _heirs: dict[str, list[ClassInfo]] = field(default_factory=dict)
    _lineages: dict[str, tuple[ClassInfo, ...]] = field(default_factory=dict)
    _modules: dict[str, bool] = field(default_factory=dict)

    @cached_property
    def all_methods(self) -> frozenset[str]:
        """Names of the methods of all classes."""
        return frozenset(method for info in self.classes.values() for method in info.methods)

    def lineage(self, name: str) -> tuple[ClassInfo, ...]:
        """The class and its bases that stand in this file, in method resolution order, roughly."""
        if name not in self._lineages:
            self._lineages[name] = tuple(self._above(name))
        return self._lineages[name]

    def _above(self, name: str) -> Iterator[ClassInfo]:
        seen: set[str] = set()
        todo = [name]
        while todo:
            current = todo.pop(0)
            info = self.classes.get(current)
            if info is None or current in seen:
                continue
            seen.add(current)
            yield info
            todo += [base.rsplit(".", 1)[-1] for base in info.bases]

    def bases(self, name: str) -> Iterator[str]:
        """Dotted names of all bases, those outside the file included."""
        for info in self.lineage(name):
            yield from info.bases

    def is_module(self, name: str) -> bool:
        """True if the class derives from `nn.Module` as far as can be seen."""
        if name not in self._modules:
            self._modules[name] = self._derives_from_module(name)
        return self._modules[name]

    def _derives_from_module(self, name: str) -> bool:
        return any(
            base.rsplit(".", 1)[-1] in _MODULE_BASES or (base.startswith("torch.nn.") and base != "torch.nn.Parameter")
            for base in self.bases(name)
        ) or self._looks_like_module(name)

    def _looks_like_module(self, name: str) -> bool:
        """True for a class with a base from another file that has what modules have: parameters, or a `forward`."""
        known = ("object", "torch.autograd.Function", "Enum", "Protocol", "ABC", "NamedTuple", "Dataset")
        foreign = any(b.rsplit(".", 1)[-1] not in (*self.classes, *known) and b not in known for b in self.bases(name))
        methods = {method for info in self.lineage(name) for method in info.methods}
        return foreign and any(m.startswith("forward") for m in methods) and not self.is_function(name)

    def is_function(self, name: str) -> bool:
        """True for an `autograd.Function`: its `forward` has no `self`, which tells it from a module called so."""
        found = self.method(name, "forward")
        return self.derives(name, "Function") and (found is None or not takes_self(found[1]))

    def derives(self, name: str, base: str) -> bool:
        """True if the class derives from a class whose last name ends like this: `Function`, `BaseOptimizer`."""
        return any(b.rsplit(".", 1)[-1].endswith(base) for b in self.bases(name))

    def runs_in_forward(self, name: str, method: str) -> bool:
        """True for `forward` and the methods that it calls on self, directly or not."""
        todo, seen = ["forward", "__call__"], set[str]()
        while todo:
            current = todo.pop()
            found = self.method(name, current)
            if found is None or current in seen:
                continue
            seen.add(current)
            for node in walk(found[1]):
                if isinstance(node, ast.Attribute) and dotted(node.value) == "self":
                    todo.append(node.attr)
        return method in seen

    def updates(self, name: str) -> bool:
        """True for optimizers; one that is learned is a module as well, and autograd goes through what it does."""
        packaged = any({*base.split(".")[:-1]} & _OPTIMIZERS for base in self.bases(name))
        return (packaged or self.derives(name, "Optimizer")) and not self.is_module(name)

    def updates_parameters(self, function: Function) -> bool:
        """True for a helper of an optimizer: it stands beside one and takes what optimizers pass around."""
        if not any(base.endswith("Optimizer") for info in self.classes.values() for base in info.bases):
            return False
        return sum(name.startswith(_UPDATE_ARGUMENTS) for name in parameter_names(function)) >= 2

    def method(self, name: str, method: str) -> tuple[ClassInfo, Function] | None:
        """The definition of a method, inherited ones included."""
        for info in self.lineage(name):
            if method in info.methods:
                return info, info.methods[method]
        return None

    def heirs(self, name: str) -> list[ClassInfo]:
        """The classes of this file that derive from the class, without itself."""
        if not self._heirs:
            self._heirs = {each: [] for each in self.classes}
            for info in self.classes.values():
                for base in self.lineage(info.name):
                    if base is not info:
                        self._heirs[base.name].append(info)
        return self._heirs.get(name, [])

    def methods(self, name: str, method: str) -> list[tuple[ClassInfo, Function]]:
        """Every definition that a call may reach, those of subclasses too; none if other statements bind it as well."""
        names = [name, *(info.name for info in self.heirs(name))]
        if any(method in assigned(info.node) for cls in names for info in self.lineage(cls)):
            return []
        below = [info for cls in names[1:] for info in self.lineage(cls) if method in info.methods]
        own = self.method(name, method)
        found = [*([own] if own is not None else []), *((info, info.methods[method]) for info in below)]
        return [one for n, one in enumerate(found) if one not in found[:n]]

    def inherited(self, name: str, method: str) -> list[tuple[ClassInfo, Function]]:
        """Every definition that `super().method` in the class may reach: other bases of a subclass can come next."""
        below = {name, *(info.name for info in self.heirs(name))}
        infos = [info for cls in (name, *below) for info in self.lineage(cls) if info.name not in below]
        rebinds = any(method in assigned(info.node) for info in infos)
        found = [(info, info.methods[method]) for info in infos if method in info.methods and not rebinds]
        return [one for n, one in enumerate(found) if one not in found[:n]]

    def family(self, name: str) -> tuple[ClassInfo, ...]:
        """The classes whose methods an object may have that is an instance of the class."""
        heirs = (name, *(one.name for one in self.heirs(name)))
        return tuple({info.name: info for each in heirs for info in self.lineage(each)}.values())

    def attribute(self, name: str, attribute: str) -> Value | None:
        """What the class's methods and body bind the attribute to, joined."""
        bound_here = self.ledger.owns(("attribute", attribute))
        if bound_here and any(attribute in info.attrs and attribute not in info.known for info in self.family(name)):
            self.ledger.unrepeatable()
        return self.ledger.ask(self._attribute, (name, attribute))

    def _attribute(self, place: tuple[str, str]) -> Value | None:
        name, attribute = place
        result: Value | None = None
        for info in self.family(name):
            value = info.attribute(attribute)
            if value is not None:
                result = value if result is None else join(result, value)
        if result is None or (result.kind is Kind.UNKNOWN and not result.name and not result.maybe):
            return next((info.numbers[attribute] for info in self.lineage(name) if attribute in info.numbers), result)
        return result

    def flags_of(self, attr: str) -> frozenset[int]:
        """Flags of what classes bind an attribute to, as they are known by now; see `placing.flags_by_name`."""
        return frozenset(f for info in self.classes.values() for f in (info.attribute(attr) or UNKNOWN).flags)

    def note_attribute(self, owner: str, attr: str, value: Value) -> None:
        """What an attribute may hold: of the class, or of every class that has it if the owner is unknown."""
        self.ledger.own(("attribute", attr))
        self.ledger.tell(self._note_attribute, owner, attr, value)

    def _note_attribute(self, owner: str, attr: str, value: Value) -> None:
        for info in [self.classes[owner]] if owner in self.classes else self.classes.values():
            known = info.attrs.get(attr)
            if info.attribute(attr) is not None or owner in self.classes:
                info.attrs[attr] = limited(value if known is None else join(known, value))

    def is_buffer(self, name: str, attribute: str) -> bool:
        """True for what the class, or one that it derives from, registers as a buffer."""
        return self.ledger.ask(self._is_buffer, (name, attribute))

    def _is_buffer(self, place: tuple[str, str]) -> bool:
        return any(place[1] in info.buffers for info in self.lineage(place[0]))


def dotted(node: ast.expr) -> str:
    """`a.b.c` as text, or "" if the expression is no plain chain of names."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            base = dotted(value)
            return f"{base}.{attr}" if base else ""
    return ""


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """The value given for a keyword, or None."""
    return next((k.value for k in call.keywords if k.arg == name), None)


def build(tree: ast.Module) -> Index:
    """Read the definitions of a module; names are resolved through its imports."""
    imports = dict(all_imports(tree))
    index = Index()
    shared = ambiguous(tree)
    for node in every(tree, ast.ClassDef):
        methods = {f.name: f for f in node.body if isinstance(f, Function)}
        name = f"{node.name}@{node.lineno}" if node.name in shared else node.name  # which one is meant is not known
        index.classes[name] = ClassInfo(name, node, tuple(parents(node, imports, tree)), methods)
    from_all = (node for node in every(tree, ast.ImportFrom) if any(alias.name == "*" for alias in node.names))
    index.stars = tuple(node.module for node in from_all if node.module)
    index.functions = {f.name: f for f in tree.body if isinstance(f, Function)}
    index.rebound = rebound(tree)
    called = {id(n.func) for n in every(tree, ast.Call)}
    loaded = {n.id for n in every(tree, ast.Name) if id(n) not in called}
    kept = {name for name, f in index.functions.items() if not _is_registered(f)}
    kept -= loaded | index.rebound | set(_exported(tree))
    index.private = frozenset(name for name in kept if name.startswith("_"))
    index.program = any(_runs(statement, {*index.functions, *index.classes}) for statement in tree.body)
    nested = _nested_functions(tree) - loaded
    plainly = called_plainly(tree)
    index.called = frozenset(name for name in plainly & kept if is_called_elsewhere(tree, index.functions[name]))
    index.closed = ((frozenset(kept) if index.program else index.private) | nested) & plainly
    return index


_SAYING: tuple[type[ast.AST], ...] = (
    ast.ClassDef, ast.Call, ast.AnnAssign, ast.arg, ast.FunctionDef, ast.AsyncFunctionDef, ast.Attribute
)  # fmt: skip


def no_values(roots: Sequence[ast.AST]) -> set[str]:
    """Names that only ever say what something is: bases, annotations, what `isinstance` asks for."""
    said: set[int] = set()
    for node in (node for root in roots for kind in _SAYING for node in every(root, kind)):
        match node:
            case ast.ClassDef(bases=bases):
                said |= {id(base) for base in bases}
            case ast.Call(func=ast.Name(id="isinstance" | "issubclass" | "super"), args=args):
                said |= {id(n) for arg in args for n in walk(arg)}
            case ast.AnnAssign(annotation=hint) | ast.arg(annotation=ast.expr() as hint):
                said |= {id(n) for n in walk(hint)}
            case ast.FunctionDef(returns=ast.expr() as hint) | ast.AsyncFunctionDef(returns=ast.expr() as hint):
                said |= {id(n) for n in walk(hint)}
            case ast.Call(func=func) | ast.Attribute(value=func):
                said.add(id(func))
    loads = [n for root in roots for n in every(root, ast.Name) if isinstance(n.ctx, ast.Load)]
    return {n.id for n in loads} - {n.id for n in loads if id(n) not in said}


def _nested_functions(tree: ast.Module) -> frozenset[str]:
    """Names that functions inside functions have, and nothing else in the file."""
    methods = {id(f) for n in every(tree, ast.ClassDef) for f in n.body}
    outer = {id(f) for f in tree.body}
    defined = functions(tree)
    inner = [f for f in defined if id(f) not in methods | outer and not f.decorator_list]
    names = Counter([f.name for f in defined] + [n.name for n in every(tree, ast.ClassDef)])
    names.update(n.id for n in every(tree, ast.Name) if not isinstance(n.ctx, ast.Load))
    names.update([n.arg for n in every(tree, ast.arg)] + [name for name, _ in all_imports(tree)])
    return frozenset(f.name for f in inner if names[f.name] == 1)


def takes_self(function: Function) -> bool:
    """True for a method of instances; the forward of an `autograd.Function` has none and is given a context."""
    of_class = any(dotted(d) in ("staticmethod", "classmethod") for d in function.decorator_list)
    return not of_class and "ctx" not in parameter_names(function)[:2]


def _is_registered(function: Function) -> bool:
    """True for a function that a decorator may hand to others."""
    names = (dotted(d.func if isinstance(d, ast.Call) else d) for d in function.decorator_list)
    return any(name.rsplit(".", 1)[-1] not in _KEEPING_DECORATORS for name in names)


def _runs(node: ast.stmt, defined: set[str]) -> bool:
    """True for `if __name__ == "__main__"`, and for a call of something defined in this file when it is loaded."""
    if isinstance(node, ast.If) and any(isinstance(n, ast.Name) and n.id == "__name__" for n in walk(node.test)):
        return True
    if isinstance(node, (Function, ast.ClassDef)):
        return False
    calls = (n.func for n in walk(node) if isinstance(n, ast.Call))
    return isinstance(node, (ast.Expr, ast.With, ast.For)) and any(
        isinstance(f, ast.Name) and f.id in defined for f in calls
    )


def _exported(tree: ast.Module) -> Iterator[str]:
    """Names that the module offers to others in `__all__`."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(
            node, (ast.AugAssign, ast.AnnAssign)) else []  # fmt: skip
        if any(isinstance(t, ast.Name) and t.id == "__all__" for t in targets):
            yield from (n.value for n in walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str))


@remembered
def all_imports(tree: ast.Module) -> tuple[tuple[str, str], ...]:
    """Pairs (name bound, dotted path) of all import statements of a file, those in functions included."""
    return tuple(
        pair for node in walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom)) for pair in imported(node)
    )


def imported(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    """Pairs (name bound here, dotted path) of an import statement; relative ones keep their dots."""
    for alias in node.names:
        if isinstance(node, ast.Import):
            yield alias.asname or alias.name.split(".")[0], alias.name if alias.asname else alias.name.split(".")[0]
        elif alias.name != "*":
            module = "." * node.level + (node.module or "")
            yield alias.asname or alias.name, canonical(f"{module}.{alias.name}")


def canonical(path: str) -> str:
    """One spelling for the ways that lead to the same thing in torch."""
    if path == "torch.functional.F":
        return "torch.nn.functional"
    if path.startswith("torch.nn.modules."):
        return "torch.nn." + path.rsplit(".", 1)[-1]
    return path


def parameter_names(function: Function | ast.Lambda) -> list[str]:
    """Names of all parameters in call order; `*args` and `**kwargs` last."""
    a = function.args
    star = [v.arg for v in (a.vararg, a.kwarg) if v is not None]
    return [p.arg for p in (*a.posonlyargs, *a.args, *a.kwonlyargs)] + star


def substitute(memory: Memories, given: dict[str, Memories]) -> Memories:
    """A callee's memory in the caller's terms: parameters become what was passed for them."""
    result = NOWHERE
    for item in memory:
        result |= given.get(item.label, NOWHERE) if item.origin == "parameter" else frozenset((item,))
    return result
