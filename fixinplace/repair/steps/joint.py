"""Several optimizers over shared parameters made one: every gradient first, then a single step for every parameter.

Note [One optimizer]
    With an optimizer for each loss, what they share is stepped once for each of them.  Where all are made alike, one of
    them can be given the parameters of all: it keeps one state for each, and steps it once on the sum of the gradients,
    all taken at the weights of the forward.  Nothing is proposed where one of the others is used for anything else
    than clearing and stepping, such as a schedule or a checkpoint.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from fixinplace.model import Edit, Span
from fixinplace.repair.base import Change
from fixinplace.repair.code import Code
from fixinplace.repair.steps.along import apart, prepares
from fixinplace.repair.steps.choice import Choice
from fixinplace.repair.steps.lines import common
from fixinplace.repair.steps.moving import CannotMove, checked, cut, moved
from fixinplace.repair.steps.optimizers import clears, step_of
from fixinplace.repair.steps.paths import touch
from fixinplace.repair.steps.reorder import PASSED
from fixinplace.repair.steps.situation import Situation

WIDE = 110


@dataclass(frozen=True)
class Made:
    """An optimizer's construction: its statement, the call, and what it is given, each part as in a list display."""

    statement: ast.Assign
    call: ast.Call
    terms: tuple[str, ...]

    @property
    def settings(self) -> tuple[str, ...]:
        """Class and all other arguments."""
        rest = [*self.call.args[1:], *(each.value for each in self.call.keywords)]
        names = [each.arg or "**" for each in self.call.keywords]
        return ast.unparse(self.call.func), *names, *map(ast.unparse, rest)


def jointly(at: Situation) -> Iterator[Choice]:
    """The first optimizer of the block for the parameters of all; see Note [One optimizer]."""
    shared = common(at.code, at.write, at.needed)
    if shared is None or not at.inside or not at.backward.accumulates or shared[1] >= shared[2]:
        return
    block, first, last = shared
    steps = [n for n, node in enumerate(block) if n >= first and step_of(node) is not None]
    names = [step.optimizer for n in steps if (step := step_of(block[n])) is not None]
    all_made = [made(at.code, name) for name in names]
    if block[first] is not at.write or len(set(names)) != len(names) or len(names) < 2 or steps[-1] < last:
        return
    found = [each for each in all_made if each is not None]
    if len(found) < len(names) or not _alike(found) or any(_other_uses(at.code, name, block) for name in names[1:]):
        return
    clearing = [node for node in block if clears(node) in names[1:]]
    going = [*prepares(block, first), at.write]
    staying = [n for n in block[first + 1 : steps[-1]] if step_of(n) is None and n not in clearing]
    if _in_the_way(at, names[0], block[first + 1 : steps[-1]], staying):
        return
    try:
        choice = _choice(at, names, found, going, [*clearing, *(block[n] for n in steps[1:-1])], block[steps[-1]])
    except CannotMove:
        return
    passed = any(touch(at.flows(node), at.stepped or ()) for node in staying)
    yield replace(choice, meaning=choice.meaning + PASSED) if passed else choice


def _choice(at: Situation, names: Sequence[str], made_: Sequence[Made], going: Sequence[ast.stmt],
            dropped: Sequence[ast.stmt], last: ast.stmt) -> Choice:  # fmt: skip
    gone = [*going, *dropped, *(each.statement for each in made_[1:])]
    start, end = at.code.text.span(last).start, at.code.line_end(at.code.text.span(last).end)
    if end is None or at.code.head(last) is None:
        raise CannotMove(at.code.source_of(last))
    lines = f"{at.code.newline}{at.code.head(last)}".join(moved(at.code, going))
    params = _params(at.code, made_)
    edits = checked(at.code, (params, *cut(at.code, gone), Edit(Span(start, end), lines)))
    others = " and ".join(f"`{name}`" for name in names[1:])
    meaning = (
        f"One optimizer for all: `{names[0]}` has the parameters of {others} as well, and steps each parameter once, "
        f"on the sum of the gradients of all losses, all taken at the weights that the forward used. What they share "
        f"has one state instead of one for each."
    )
    title = f"`{names[0]}` over the parameters of all, in one step behind every backward; no {others}"
    return Choice(title, meaning, (Change(at.code.path, edits),), 15)


def _params(code: Code, found: Sequence[Made]) -> Edit:
    """The first construction with the parameters of all, in rows of their own where the line would be too long."""
    text, first = display(term for each in found for term in each.terms), found[0]
    old, head = code.source_of(first.call.args[0]), code.head(first.statement) or ""
    if len(head) + len(code.source_of(first.statement)) - len(old) + len(text) > WIDE:
        text = f"[{code.newline}{head}    {text[1:-1]},{code.newline}{head}]"
    return code.replace(first.call.args[0], text)


def _in_the_way(at: Situation, first: str, between: Sequence[ast.stmt], staying: Sequence[ast.stmt]) -> bool:
    """True if a line clears what the joint step needs, leaves the block, or has to do with the step."""
    step = at.reader.facts(at.write)
    facts = [at.reader.facts(node) for node in staying]
    cleared = any(clears(each) == first for node in between for each in ast.walk(node))
    return cleared or any(each.jumps or not apart(step, each, at) for each in facts)


def _alike(found: Sequence[Made]) -> bool:
    """True if all are made with the same settings, from parts that are known, and share some."""
    common_ = set(found[0].terms).intersection(*(each.terms for each in found[1:]))
    return len({each.settings for each in found}) == 1 and bool(common_)


def _other_uses(code: Code, name: str, block: Sequence[ast.stmt]) -> bool:
    """True if an optimizer is used for anything else than clearing and stepping in this block, and being made."""
    for node in ast.walk(code.tree):
        if isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) == name:
            statement = code.statement(node)
            plain = clears(statement) == name or step_of(statement) is not None
            mine = plain and any(statement is each for each in block)
            if not mine and not isinstance(node.ctx, ast.Store):
                return True
    return False


# --- how an optimizer is made


def made(code: Code, name: str) -> Made | None:
    """The only construction of an optimizer in a file, if it is a statement of its own."""
    found = [
        node
        for node in ast.walk(code.tree)
        if isinstance(node, ast.Assign) and any(ast.unparse(each) == name for each in node.targets)
    ]
    if len(found) != 1 or len(found[0].targets) != 1 or not isinstance(found[0].value, ast.Call):
        return None
    call = found[0].value
    parts = (
        terms(call.args[0], code.function(found[0]))
        if call.args and not isinstance(call.args[0], ast.Starred)
        else None
    )
    return None if parts is None else Made(found[0], call, parts)


def terms(node: ast.expr, home: ast.AST | None = None) -> tuple[str, ...] | None:
    """What an optimizer is given, as the elements of one list display; None for anything unknown, such as groups.

    home: the function whose names may stand for lists.
    """
    match node:
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            if any(isinstance(each, ast.Dict) for each in parts):
                return None
            return tuple(ast.unparse(each) for each in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _all(terms(left, home), terms(right, home))
        case ast.Call(func=ast.Name(id="list" | "chain") | ast.Attribute(attr="chain"), args=parts, keywords=[]):
            return _all(*(terms(each, home) for each in parts))
        case ast.Call(func=ast.Attribute(attr="parameters"), args=[], keywords=[]) | ast.Starred():
            return (ast.unparse(node if isinstance(node, ast.Starred) else ast.Starred(node)),)
        case ast.Name(id=name) if home is not None and _is_list(home, name):
            return (f"*{name}",)
    return None


def _is_list(home: ast.AST, name: str) -> bool:
    """True if a name is bound once in a function, to a list."""
    nodes = [each for each in ast.walk(home) if isinstance(each, ast.Assign)]
    values = [each.value for each in nodes if any(isinstance(t, ast.Name) and t.id == name for t in each.targets)]
    lists = (ast.List, ast.ListComp)
    return len(values) == 1 and (isinstance(values[0], lists) or ast.unparse(values[0]).startswith("list("))


def _all(*parts: tuple[str, ...] | None) -> tuple[str, ...] | None:
    found: list[str] = []
    for each in parts:
        if each is None:
            return None
        found += each
    return tuple(found)


def display(parts: Iterator[str]) -> str:
    """A list of all parts, each once, without those of a module that is in it as a whole."""
    unique = list(dict.fromkeys(parts))
    wholes = [each[1 : -len("parameters()")] for each in unique if each.endswith(".parameters()")]
    inside = [each for each in unique if any(each.lstrip("*") != f"{w}parameters()" and each.lstrip("*").startswith(w)
                                             for w in wholes)]  # fmt: skip
    return f"[{', '.join(each for each in unique if each not in inside)}]"
