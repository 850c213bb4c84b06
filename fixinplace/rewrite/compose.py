"""All rewrites of one statement, made together: one new text, and the statements that run before it."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import libcst as cst

from fixinplace.detect.identity import makes_new
from fixinplace.detect.index import dotted
from fixinplace.detect.liveness import stores as stored
from fixinplace.model import Call, Edit, Facts, Found, Place, Refused, Span, Usage
from fixinplace.rewrite.base import Effect
from fixinplace.rewrite.binding import Bind, Refusal, Write, bind
from fixinplace.rewrite.choice import Step, choose
from fixinplace.rewrite.copies import cloned, copies
from fixinplace.rewrite.kin import Anew, anew, around, check_bound, scattered
from fixinplace.rewrite.lines import assigned, binding, expression
from fixinplace.rewrite.precedence import parenthesised
from fixinplace.rewrite.putting import put
from fixinplace.rewrite.reads import evaluated, mentions
from fixinplace.rewrite.setting import Setting
from fixinplace.rewrite.statement import Statement, open_statement
from fixinplace.source import Text
from fixinplace.walking import above


@dataclass(frozen=True, slots=True)
class Composed:
    """One statement, rewritten.

    lines: the new statements; `after` those that follow the old one, inserted by `behind`.
    told: both for a title, the last of the statements from its first changed line on.
    clones: names that they clone before storing into them.
    steps: the sites with their rewrites.  finished: sites that stay as they are, and why.
    """

    edits: tuple[Edit, ...]
    behind: tuple[Edit, ...]
    lines: tuple[str, ...]
    after: tuple[str, ...]
    told: tuple[str, ...]
    clones: tuple[str, ...]
    steps: tuple[Step, ...]
    finished: Mapping[Found, Refused]


def compose(part: Text, setting: Setting, found: Sequence[Found], modules: Sequence[Call]) -> Composed:
    """Rewrite the sites of one statement, and bind what its calls of in-place modules wrote; raises Refusal."""
    opened = open_statement(part, setting.span, isinstance(setting.node, ast.expr))
    calls = {part.span(n).end: n for n in evaluated(setting.node) if isinstance(n, ast.Call)}
    chosen = choose(opened, calls, found)
    taken = chosen.steps
    writes = _writes(part, calls, taken, modules)
    needed = copies(setting, taken)
    bound = bind(setting, writes, alone=bool(needed) or _is_kept_beside(taken, setting.node))
    binds = {opened.call(part.span(w.node).end): (bound[w.node], w.target or "") for w in writes}
    heads = {opened.call(end): head for end, head in _heads(calls, modules, writes).items()}
    rewriting = _Rewriting(opened, taken, binds, heads)
    visited = opened.small.visit(rewriting)
    assert isinstance(visited, cst.BaseSmallStatement)
    small = rewriting.statement(opened.small, visited)
    before = [assigned(target, opened.code(_bare(opened, value))) for target, value in rewriting.hoisted]
    if rewriting.hoisted and needed.called:
        raise Refusal("evaluation-order", "the statement writes into a part, and into something that comes before it")
    if needed:
        first, small = cloned(opened, small, needed, taken, part.text)
        before += first
    shared = {step.case.target: step.call for step in taken if step.case.facts.family}
    last = next((bound[write.node] for write in reversed(writes) if shared.get(write.target) is not None), None)
    moved = last is Bind.HOIST
    kin = _kin([_read_again(step, setting.node) for step in taken] if moved else taken, setting.node,
               frozenset() if moved else _bound(setting.node))  # fmt: skip
    if kin is None:
        after: tuple[str, ...] = ()
    elif moved:
        before, after = [*before, *(f"{twin} = {kin.target}" for twin in kin.anew.twins), *kin.anew.after], ()
    else:
        small, after = _with_twins(setting, small, kin), kin.anew.after
    lines = (*before, opened.text(small))
    _keep_comments(opened, lines)
    told = (*before, _changed(part.slice(setting.span), lines[-1]), *after)
    edits, behind = edits_of(part, setting, lines), following(part, setting, after)
    return Composed(edits, behind, lines, after, told, (*needed.called, *needed.stored), taken, chosen.finished)


def _bound(node: ast.AST) -> frozenset[str]:
    """What a statement binds: names, and places of objects and containers."""
    places = node.targets if isinstance(node, ast.Assign) else []
    return stored(node) | {ast.unparse(one) for one in places}


def _is_kept_beside(taken: Sequence[Step], node: ast.AST) -> bool:
    """True for `u = x.mul_(2)` where `x` is put back into a base, and then made from that again: `u` has to be too."""
    of_value = [s for s in taken if isinstance(node, ast.Assign) and s.call is node.value and scattered(s.case)]
    return any(step.rewrite.effect is Effect.REBIND and _bound(node) - {step.case.target} for step in of_value)


def _read_again(step: Step, node: ast.AST) -> Step:
    """The step of a call that moves to a line before, in whose place the name stays: what keeps that is kept new."""
    parents = above(node)
    if step.call is None or step.call is node:
        return step
    if parents[id(step.call)] is not node and makes_new(step.call, parents):
        return step
    found = step.case.found
    return replace(step, case=replace(step.case, found=replace(found, facts=replace(found.facts, read_later=True))))


@dataclass(frozen=True, slots=True)
class _Kin:
    """The one target of a statement that others share, and what is to be done for them."""

    target: str
    anew: Anew


def _kin(taken: Sequence[Step], node: ast.AST, bound: frozenset[str]) -> _Kin | None:
    """What the sites that bind a shared tensor anew ask for; raises Refusal if they are several tensors.

    bound: names that the statement binds once all its sites have run.
    """
    sharing = [s for s in taken if s.case.facts.family and s.rewrite.effect is Effect.REBIND]
    wanted = {(step.case.target, anew(step.case, Effect.REBIND)) for step in sharing}
    if len(wanted) > 1:
        raise Refusal("no-safe-place", "several tensors that others share are written in this line")
    others = {h.name for step in sharing for h in step.case.facts.family} - {step.case.target for step in sharing}
    targets = {step.case.target for step in sharing}
    writing = [s for s in taken if s.case.target in targets and s.rewrite.effect is Effect.REBIND]
    if len(writing) > 1 and any(mentions(name, node) for name in others):
        raise Refusal("evaluation-order", "between two writes the statement reads another name of the same tensor")
    for step in sharing:
        check_bound(step.case, anew(step.case, Effect.REBIND), bound - {step.case.target})
    return next((_Kin(target, found) for target, found in wanted if target is not None), None)


def _with_twins(setting: Setting, small: cst.BaseSmallStatement, kin: _Kin) -> cst.BaseSmallStatement:
    """The statement that binds the target, which binds the other names of the same tensor as well; raises Refusal."""
    match small:
        case cst.Assign(targets=targets) if any(_code(one.target) == kin.target for one in targets):
            already = [_code(one.target) for one in targets]
            more = [cst.AssignTarget(binding(twin)) for twin in kin.anew.twins if twin not in already]
            return small.with_changes(targets=[targets[0], *more, *targets[1:]])
    raise Refusal("no-safe-place", f"`{kin.target}` is shared, and nothing can be made anew where it is written")


def _code(node: cst.CSTNode) -> str:
    return cst.Module([]).code_for_node(node)


def _changed(old: str, new: str) -> str:
    """The new text without the lines at its start that are the old ones."""
    lines, before = new.splitlines(), old.splitlines()
    same = next((n for n, (one, other) in enumerate(zip(lines, before, strict=False)) if one != other), 0)
    return "\n".join(lines[same:])


def _writes(part: Text, calls: Mapping[int, ast.Call], taken: Sequence[Step], modules: Sequence[Call]) -> list[Write]:
    """Everything whose value must reach a name, in order of evaluation; a link of a chain writes what it is given."""
    plain = {
        step.call: Write(step.call, step.operand, step.case.target, _read_later(step.case.facts), own=_is_own(step))
        for step in taken
        if step.call is not None and step.rewrite.effect is Effect.REBIND
    }
    for module in modules:
        call = calls.get(module.span.end)
        target = _caller(module)
        given = _given(part, call, module) if call is not None else None
        if call is None or given is None or (target and not isinstance(given, ast.Call) and dotted(given) != target):
            raise Refusal("no-safe-place", "a call of the module has a form that is not rewritten")
        if module.whole:
            plain[call] = Write(call, given, target, module.read_later)
        elif _is_looked_at(module, target):
            plain[call] = Write(call, given, target, module.read_later, apart=True)
    writes: dict[ast.expr, Write] = {}
    for call in (call for call in calls.values() if call in plain):
        write = plain[call]
        inner = writes.get(write.operand) if write.operand is not None else None
        if inner is not None and not inner.apart:
            write = replace(write, target=inner.target, read_later=write.read_later or inner.read_later)
        writes[call] = write
    return list(writes.values())


def _given(part: Text, call: ast.Call, module: Call) -> ast.expr | None:
    """What a call passes to be written."""
    if module.argument is None:
        return call.args[0] if call.args else None
    every = [*call.args, *(word.value for word in call.keywords)]
    return next((one for one in every if part.span(one).end == module.argument.end), None)


def _is_looked_at(module: Call, target: str | None) -> bool:
    """True if somebody sees what a module wrote that returns something else; raises Refusal if it cannot come first."""
    if target is None or not (module.read_later or "." in target):
        return False
    if module.head is None:
        sentence = f"`{target}` is read later, and the module that writes it is only a part of the one that is called"
        raise Refusal("live-alias", sentence)
    return True


def _heads(calls: Mapping[int, ast.Call], modules: Sequence[Call], writes: Sequence[Write]) -> dict[int, str]:
    """For calls that stay, by their ends: the parts of their modules that are called on a line before."""
    apart = {write.node for write in writes if write.apart}
    heads = [(m.span.end, m.head) for m in modules if calls.get(m.span.end) in apart and m.head is not None]
    if len(heads) > len(dict(heads)):
        raise Refusal("live-alias", "several parts of the module write what it is called with")
    return dict(heads)


def _is_own(step: Step) -> bool:
    """True if nobody shares what is written, and the value of the call is all of it."""
    facts = step.case.facts
    return not facts.family and not facts.through and facts.place is Place.NAME


def _read_later(facts: Facts) -> bool:
    """True if the new value is needed: somebody reads the target, or is made from it."""
    return facts.read_later or bool(facts.family)


def _caller(module: Call) -> str | None:
    """The caller's name for the tensor that an in-place module wrote; raises Refusal if it has none but is seen."""
    if module.place is Place.TEMPORARY:
        return None
    if module.place is Place.SUBSCRIPT:
        if module.read_later or module.usage is Usage.STATEMENT:
            raise Refusal("live-view", f"a part of `{module.target}` is passed to the module, which writes it there")
        return None
    return module.target


def _bare(opened: Statement, value: cst.BaseExpression) -> cst.BaseExpression:
    """A hoisted value without the parentheses that it needed where it stood, unless they hold lines together."""
    one_line = len(opened.code(value).splitlines()) == 1
    return value.with_changes(lpar=[], rpar=[]) if one_line else value


class _Rewriting(cst.CSTTransformer):
    """Rewrites the calls, innermost first; what is hoisted is collected in order of evaluation."""

    def __init__(self, opened: Statement, taken: Sequence[Step], binds: Mapping[cst.Call, tuple[Bind, str]],
                 heads: Mapping[cst.Call, str]) -> None:  # fmt: skip
        super().__init__()
        self.header = opened.small.value if opened.header and isinstance(opened.small, cst.Expr) else None
        self.taken = {step.node: step for step in taken if step.rewrite.effect is not Effect.COPY}
        self.binds = binds
        self.heads = heads
        self.hoisted: list[tuple[str, cst.BaseExpression]] = []

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:
        """The call's new value, or the name to which that was bound on a line before."""
        value = self._value(original_node, updated_node)
        how, target = self.binds.get(original_node, (Bind.HERE, ""))
        if how is Bind.NAMED:
            return self._named(original_node, value, target)
        if how is not Bind.HOIST:
            return value
        if original_node in self.heads:
            self.hoisted.append((target, cst.parse_expression(f"{self.heads[original_node]}({target})")))
            return value
        if "," in target:
            raise Refusal("no-safe-place", "several results are written, and their tuple is used in an expression")
        self.hoisted.append((target, value))
        around = {"lpar": [cst.LeftParen()], "rpar": [cst.RightParen()]} if original_node.lpar else {}
        return expression(target).with_changes(**around)

    def _named(self, original: cst.Call, value: cst.BaseExpression, target: str) -> cst.BaseExpression:
        """The value bound where it stands; the parentheses that are only added around a header go with it."""
        added = original is self.header
        bare = value.with_changes(lpar=value.lpar[1:], rpar=value.rpar[:-1]) if added else value
        named = cst.NamedExpr(cst.Name(target), bare, lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        return parenthesised(named) if added else named

    def _value(self, original: cst.Call, call: cst.Call) -> cst.BaseExpression:
        """The call's new value; parentheses that were only added around a header are around all of it."""
        step = self.taken.get(original)
        if step is None:
            return call
        added = original is self.header
        bare = call.with_changes(lpar=call.lpar[1:], rpar=call.rpar[:-1]) if added else call
        value = step.rewrite.edit(step.case, bare)
        assert isinstance(value, cst.BaseExpression)
        if step.case.facts.through and not step.case.linked:
            value = _put_back(step, value)
        return parenthesised(value) if added else value

    def statement(self, original: cst.BaseSmallStatement, small: cst.BaseSmallStatement) -> cst.BaseSmallStatement:
        """The statement with its own write rewritten, or with the value of its call bound."""
        step = self.taken.get(original) if isinstance(original, cst.Assign | cst.AugAssign) else None
        if step is not None:
            assert isinstance(small, cst.Assign | cst.AugAssign)
            edited = step.rewrite.edit(step.case, small)
            return (
                edited if isinstance(edited, cst.BaseSmallStatement) else _assign(small, step.case.target or "", edited)
            )
        if not isinstance(original, cst.Expr | cst.Assign) or not isinstance(original.value, cst.Call):
            return small
        how, target = self.binds.get(original.value, (Bind.HERE, ""))
        assert isinstance(small, cst.Expr | cst.Assign)
        if how is Bind.STATEMENT:
            return cst.Assign([cst.AssignTarget(binding(target))], small.value)
        if how is Bind.TARGETS and isinstance(small, cst.Assign):
            return small.with_changes(targets=[cst.AssignTarget(binding(target)), *small.targets])
        return small


def _put_back(step: Step, value: cst.BaseExpression) -> cst.BaseExpression:
    """The new value of a view without a name, as the value of the tensor that it is a view of."""
    text = put(step.case.target or "", step.case.facts.through, _code(value), around(step.case))
    if text is None:
        raise Refusal("live-view", f"the new value cannot be put back into `{step.case.target}`")
    return cst.parse_expression(text)


def _assign(small: cst.Assign | cst.AugAssign, target: str, value: cst.CSTNode) -> cst.Assign:
    """`target = value` in the spacing of the statement that it replaces."""
    assert isinstance(value, cst.BaseExpression)
    if isinstance(small, cst.Assign):
        return small.with_changes(targets=[small.targets[0].with_changes(target=expression(target))], value=value)
    assert isinstance(small.target, cst.Name | cst.Attribute)
    # libcst's base class of these operators declares no fields; each concrete one has both.
    before, after = small.operator.whitespace_before, small.operator.whitespace_after  # type: ignore[attr-defined]
    return cst.Assign([cst.AssignTarget(small.target, before, after)], value)


class _Comments(cst.CSTVisitor):
    """Collects the comments inside a statement."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def visit_Comment(self, node: cst.Comment) -> None:
        """One comment."""
        self.found.append(node.value)


def _keep_comments(opened: Statement, lines: Sequence[str]) -> None:
    """Raise Refusal if a comment of the statement is in none of the new lines."""
    comments = _Comments()
    opened.small.visit(comments)
    text = "\n".join(lines)
    if any(text.count(comment) < comments.found.count(comment) for comment in comments.found):
        raise Refusal("no-safe-place", "a comment inside the statement would be lost")


def edits_of(part: Text, setting: Setting, lines: Sequence[str]) -> tuple[Edit, ...]:
    """Insertion of all lines but the last, and replacement of the statement by the last if that differs."""
    *before, last = lines
    text = "".join(line + setting.joint for line in before)
    changed = last != part.slice(setting.span)
    if not before:
        return (Edit(setting.span, last),) if changed else ()
    assert setting.before is not None, "lines before a statement were allowed only where they can stand"
    place = Span(setting.before, setting.before)
    if not changed:
        return (Edit(place, text),)
    if setting.before == setting.span.start:
        return (Edit(setting.span, text + last),)
    return (Edit(place, text), Edit(setting.span, last))


def following(part: Text, setting: Setting, lines: Sequence[str]) -> tuple[Edit, ...]:
    """Insertion of the lines behind the statement: behind its comment too, where they get lines of their own."""
    if not lines:
        return ()
    if isinstance(setting.node, ast.expr):
        raise Refusal("no-safe-place", "no statement can stand right behind this line")
    end = setting.span.end
    line, _ = part.position(end)
    stop = part.starts[line] if line < len(part.starts) else len(part.text)
    rest = part.text[end:stop].rstrip("\r\n")
    alone = setting.joint != "; " and (not rest.strip() or rest.strip().startswith("#"))
    place = Span(end + len(rest), end + len(rest)) if alone else Span(end, end)
    return (Edit(place, "".join(setting.joint + one for one in lines)),)
