"""Optimizers in a list or a dictionary, as a loop goes through them: how they are made, and one instead of all."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fixinplace.repair.code import Code, Function
from fixinplace.repair.steps.joint import WIDE, display, terms
from fixinplace.repair.steps.situation import Situation


@dataclass(frozen=True)
class Container:
    """A collection of optimizers by its name, its construction, and the loop variable that is one of them, if any.

    value: what makes it, in the statement itself or in a function of the file that this calls.
    calls: the constructions written out, or the one of a comprehension. generator: the comprehension's.
    shared: what all optimizers are given, as parts of a list display; own: all else.
    """

    code: Code
    name: str
    statement: ast.Assign
    value: ast.expr
    variable: str
    over: str
    calls: tuple[ast.Call, ...]
    generator: ast.comprehension | None
    shared: tuple[str, ...]
    own: tuple[str, ...]

    def alone(self, names: Iterable[str]) -> str:
        """`optimizer in optimizers`, if that binds all the names that come from the loop; else empty."""
        return f"{self.variable} in {self.over}" if self.variable and self.variable in names else ""

    def joint(self) -> str | None:
        """One optimizer for all: each parameter once."""
        settings = {tuple(ast.unparse(each) for each in (c.func, *c.args[1:], *c.keywords)) for c in self.calls}
        if len(settings) != 1 or self.value is not self.statement.value:
            return None
        parts = [*self.shared, *self.own]
        if self.generator is not None:
            target, over = ast.unparse(self.generator.target), ast.unparse(self.generator.iter)
            rest = [*self.calls[0].args[1:], *(each.value for each in self.calls[0].keywords)]
            if any(_mentions(each, self.generator.target) for each in rest):
                return None
            own = self.own[0][1:] if len(self.own) == 1 and self.own[0][:1] == "*" else f"[{', '.join(self.own)}]"
            parts = [*self.shared, *([f"*(p for {target} in {over} for p in {own})"] if self.own else [])]
        call = self.calls[0]
        more = [ast.unparse(each) for each in (*call.args[1:], *call.keywords)]
        given = [display(iter(parts)), *more]
        line = f"{ast.unparse(call.func)}({', '.join(given)})"
        head = self.code.head(self.statement)
        if head is None or len(f"{head}{self.name} = {line}") <= WIDE:
            return line
        rows = "".join(f"{self.code.newline}{head}    {each}," for each in given)
        return f"{ast.unparse(call.func)}({rows}{self.code.newline}{head})"

    def header_without(self, loop: ast.For) -> str | None:
        """Target and iterable of the loop without the optimizers; None where nothing else would be left."""
        shown = self.code.text.text[self.code.text.span(loop.target).start : self.code.text.span(loop.iter).end]
        if not self.variable:
            return shown if not _uses(loop.iter, self.name) else None
        match loop.target, loop.iter:
            case ast.Tuple(elts=targets), ast.Call(func=ast.Name(id="zip"), args=parts, keywords=[]):
                pairs = zip(targets, parts, strict=False)
                kept = [(ast.unparse(t), ast.unparse(p)) for t, p in pairs if ast.unparse(t) != self.variable]
                if len(kept) == 1:
                    return f"{kept[0][0]} in {kept[0][1]}"
                return f"{', '.join(t for t, _ in kept)} in zip({', '.join(p for _, p in kept)})"
            case ast.Tuple(elts=[ast.Name(id=key), _]), ast.Call(func=ast.Attribute(attr="items")):
                made = self.value
                if isinstance(made, ast.DictComp) and ast.unparse(made.key) == ast.unparse(made.generators[0].target):
                    return f"{key} in {ast.unparse(made.generators[0].iter)}"
                if isinstance(made, ast.Dict) and all(isinstance(each, ast.Constant) for each in made.keys):
                    return f"{key} in ({', '.join(self.code.source_of(each) for each in made.keys if each)})"
        return None

    def used_elsewhere(self, loop: ast.For, users: Sequence[ast.stmt]) -> bool:
        """True if the collection, or the loop's optimizer, is used by anything but the loop's header and the users."""
        fine = {id(each) for node in (*users, self.statement, loop.target, loop.iter) for each in ast.walk(node)}
        home = self.code.function(loop) or self.code.tree
        mine = [n for n in ast.walk(home) if isinstance(n, ast.Name) and n.id == self.variable]
        nodes = (n for n in ast.walk(self.code.tree) if isinstance(n, ast.Name | ast.Attribute))
        return any(id(n) not in fine for n in (*mine, *(n for n in nodes if ast.unparse(n) == self.name)))


def container(at: Situation, loop: ast.For) -> Container | None:
    """The collection that the step's optimizer is from, if its construction is seen."""
    if at.step is None:
        return None
    found = _from(at.step.optimizer, loop)
    statements = [n for n in ast.walk(at.code.tree) if found is not None and isinstance(n, ast.Assign)
                  and any(ast.unparse(each) == found[0] for each in n.targets)]  # fmt: skip
    if found is None or len(statements) != 1 or len(statements[0].targets) != 1:
        return None
    value = _made(at.code, statements[0].value)
    calls, generator = _calls(value)
    home = at.code.function(value) or at.code.tree
    parts = [terms(each.args[0], home) if each.args else None for each in calls]
    known = [each for each in parts if each is not None]
    if not calls or len(known) < len(parts):
        return None
    shared = _shared(known, generator)
    own = tuple(dict.fromkeys(each for some in known for each in some if each not in shared))
    return Container(at.code, found[0], statements[0], value, *found[1:], tuple(calls), generator, shared, own)


def _made(code: Code, value: ast.expr) -> ast.expr:
    """What a function of the file returns, where an assignment calls it and it returns once; else the value itself."""
    called = value.func.id if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) else ""
    functions = [node for node in code.tree.body if isinstance(node, Function) and node.name == called]
    returned = [node.value for each in functions for node in ast.walk(each) if isinstance(node, ast.Return)]
    return returned[0] if len(returned) == 1 and returned[0] is not None else value


def _from(optimizer: str, loop: ast.For) -> tuple[str, str, str] | None:
    """The collection, the loop's variable for one of it, and what that goes through: `opts`, `opt`, `opts.values()`."""
    node = ast.parse(optimizer, mode="eval").body
    if isinstance(node, ast.Subscript):
        return ast.unparse(node.value), "", ""
    match loop.target, loop.iter:
        case ast.Tuple(elts=targets), ast.Call(func=ast.Name(id="zip"), args=parts):
            pairs = [pair for pair in zip(targets, parts, strict=False) if ast.unparse(pair[0]) == optimizer]
            return _collection(optimizer, pairs[0][1]) if pairs else None
        case ast.Tuple(elts=[_, value]), ast.Call(func=ast.Attribute(value=owner, attr="items"), args=[]):
            values = f"{ast.unparse(owner)}.values()"
            return (ast.unparse(owner), optimizer, values) if ast.unparse(value) == optimizer else None
        case ast.Name(id=name), over if name == optimizer:
            return _collection(optimizer, over)
    return None


def _collection(optimizer: str, over: ast.expr) -> tuple[str, str, str] | None:
    match over:
        case ast.Name() | ast.Attribute():
            return ast.unparse(over), optimizer, ast.unparse(over)
        case ast.Call(func=ast.Attribute(value=owner, attr="values"), args=[]):
            return ast.unparse(owner), optimizer, ast.unparse(over)
    return None


def _calls(value: ast.expr) -> tuple[list[ast.Call], ast.comprehension | None]:
    match value:
        case ast.ListComp(elt=ast.Call() as call, generators=[generator]):
            return [call], generator
        case ast.DictComp(value=ast.Call() as call, generators=[generator]):
            return [call], generator
        case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Dict(values=parts):
            calls = [each for each in parts if isinstance(each, ast.Call)]
            return (calls if len(calls) == len(parts) > 1 else []), None
    return [], None


def _shared(parts: Sequence[tuple[str, ...]], generator: ast.comprehension | None) -> tuple[str, ...]:
    """What every optimizer is given."""
    if generator is None:
        return tuple(each for each in parts[0] if all(each in other for other in parts))
    found = (ast.parse(f"[{each}]", mode="eval") for each in parts[0])
    return tuple(
        each
        for each, node in zip(parts[0], found, strict=True)
        if not generator.ifs and not _mentions(node, generator.target)
    )


def _mentions(node: ast.AST, target: ast.expr) -> bool:
    names = {each.id for each in ast.walk(target) if isinstance(each, ast.Name)}
    return any(isinstance(each, ast.Name) and each.id in names for each in ast.walk(node))


def _uses(node: ast.AST, text: str) -> bool:
    return any(isinstance(each, ast.Name | ast.Attribute) and ast.unparse(each) == text for each in ast.walk(node))
