"""From sites to findings: what is refused, what changes together, and the edits of each group."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from fixinplace import names
from fixinplace.model import Call, Edit, Facts, Finding, Fix, Found, Keeper, Refused, Related, Span
from fixinplace.rewrite import putting, wording
from fixinplace.rewrite.base import Case, Effect, Rewrite
from fixinplace.rewrite.binding import Refusal
from fixinplace.rewrite.choice import Step, writer_of
from fixinplace.rewrite.compose import Composed, compose
from fixinplace.rewrite.conditions import doubts, is_safe, refused
from fixinplace.rewrite.earlier import apart, earlier, may_be_shared
from fixinplace.rewrite.enclosed import enclosed, is_enclosed
from fixinplace.rewrite.filled import Filled, filled, is_filling
from fixinplace.rewrite.forms import (
    ask_names,
    clone_earlier,
    clone_reads,
    held_places,
    index_rows,
    loop_places,
    outer_name,
    stack_slots,
)
from fixinplace.rewrite.groups import Group, groups
from fixinplace.rewrite.held import held, is_held
from fixinplace.rewrite.kin import scattered
from fixinplace.rewrite.listed import Listed, is_listed, listed
from fixinplace.rewrite.placed import placed
from fixinplace.rewrite.reads import parse_file
from fixinplace.rewrite.rows import Rows, rows
from fixinplace.rewrite.runs import deferred, shared
from fixinplace.rewrite.same import Same, asked, is_perhaps_shared
from fixinplace.rewrite.setting import Setting, settings
from fixinplace.rewrite.slots import Slots, slots
from fixinplace.source import Text

One = TypeVar("One", str, Edit, Keeper)


def plan(part: Text, found: Sequence[Found]) -> tuple[Finding, ...]:
    """One finding for each site, in their order; see Note [Groups]."""
    found = placed(part, found)
    outcomes: dict[Found, Finding] = {}
    opened: list[tuple[Group, list[Found]]] = []
    looped = _looped(part, found)
    stored = {one for each in looped for one in each.found if not one.facts.hazards}
    for group in groups([one for one in found if one not in stored]):
        no = {one: why for one in group.sites() if (why := refused(one, writer_of(one))) is not None}
        left = [one for one in group.sites() if one not in no]
        blocked = _blocked(part, no, left)
        if blocked is not None:
            no |= dict.fromkeys(left, blocked)
        elif left:
            opened.append((group, left))
        outcomes |= {one: _finding(part, one, why) for one, why in no.items()}
    if opened:
        outcomes |= _rewritten(part, settings(part, parse_file(part.text), _spans(found)), opened)
    for number, each in enumerate(looped, len(found)):
        outcomes |= _stored(part, number, each)
    for number, (rewrite, one) in enumerate(_elsewhere(part, found), len(found) * 2):
        outcomes |= _also(part, number, rewrite, one)
    for number, (rewrite, row) in enumerate(_rows(part, found), len(found) + len(looped)):
        fix = _looping(number, rewrite, row.edits, row.told, row.found)
        outcomes |= {one: replace(_finding(part, one, fix), cost=rewrite.cost) for one in row.found}
    for number, each in enumerate(_earlier(part, outcomes), len(found) * 3):
        outcomes |= _cloned(part, number, each)
    return tuple(outcomes[one] for one in found)


def _earlier(part: Text, outcomes: Mapping[Found, Finding]) -> list[Slots]:
    """The tensors that are cloned before they are shared: already, or because a write is refused otherwise."""
    wanted = [one for one, finding in outcomes.items() if may_be_shared(one, finding.outcome)]
    alone = [one for one in wanted if [each.site.statement for each in outcomes].count(one.site.statement) == 1]
    found = list(earlier(part, parse_file(part.text), alone)) if alone else []
    return [each for each in found if not each.edits or all(_is_refused(outcomes[one]) for one in each.found)]


def _is_refused(finding: Finding) -> bool:
    return isinstance(finding.outcome, Refused)


def _cloned(part: Text, number: int, each: Slots) -> dict[Found, Finding]:
    """Findings of the sites that write a tensor which is cloned before; see Note [Clones before sharing]."""
    if not each.edits:
        why = Refused("finished", "the tensor is a clone, and nothing has kept it yet")
        return {one: _finding(part, one, why) for one in each.found}
    fix = _looping(number, clone_earlier.REWRITE, each.edits, each.told, [apart(one) for one in each.found])
    cost = clone_earlier.REWRITE.cost
    return {one: replace(_finding(part, one, fix), cost=cost) for one in each.found}


def _looped(part: Text, found: Sequence[Found]) -> list[Slots]:
    """Stores in loops that can stay, see Note [Clones of what is read]."""
    return list(slots(part, parse_file(part.text), found)) if any(one.facts.in_loop for one in found) else []


def _stored(part: Text, number: int, each: Slots) -> dict[Found, Finding]:
    """Findings of the sites that store into one tensor in loops."""
    sites = [one for one in each.found if not one.facts.hazards]
    if not each.edits:
        why = Refused("finished", "nothing of the tensor is kept while the loop stores into it")
        return {one: _finding(part, one, why) for one in sites}
    fix = _looping(number, clone_reads.REWRITE, each.edits, each.told, sites)
    cost = clone_reads.REWRITE.cost
    return {one: replace(_finding(part, one, fix), cost=cost) for one in sites}


def _elsewhere(part: Text, found: Sequence[Found]) -> Iterator[tuple[Rewrite, Listed | Same]]:
    """Loops that write the tensors of a container, and writes to tensors that other names may be."""
    if any(map(is_listed, found)):
        yield from ((loop_places.REWRITE, one) for one in listed(part, parse_file(part.text), found))
    if any(map(is_perhaps_shared, found)):
        yield from ((ask_names.REWRITE, one) for one in asked(part, parse_file(part.text), found))
    if any(map(is_enclosed, found)):
        yield from ((outer_name.REWRITE, one) for one in enclosed(part, parse_file(part.text), found))
    if any(map(is_held, found)):
        yield from ((held_places.REWRITE, one) for one in held(part, parse_file(part.text), found))


def _also(part: Text, number: int, rewrite: Rewrite, each: Listed | Same) -> dict[Found, Finding]:
    """Findings of sites that are rewritten together with what else holds their tensors."""
    facts = [step.case.facts for step in each.steps]
    left = _united(doubts(step.case, step.rewrite.effect) for step in each.steps)
    given = (ask_names.ASSUMES,) if left and rewrite is ask_names.REWRITE else ()
    fix = Fix(
        group=number,
        rewrite=rewrite.name,
        title=wording.title(each.told),
        edits=each.edits,
        safe=all(is_safe(step.case, step.exact, step.rewrite.effect) for step in each.steps),
        parameter=next((one.parameter for one in facts if one.parameter is not None), None),
        doubts=left,
        assumes=_united((*(one.assumes for one in facts), given, _of(each.edits))),
        excused=_united(one.excused for one in facts),
        keepers=_united(map(_keepers, facts)),
    )
    return {one: replace(_finding(part, one, fix), cost=rewrite.cost) for one in each.found}


def _looping(
    number: int, rewrite: Rewrite, edits: tuple[Edit, ...], told: Sequence[str], sites: Sequence[Found]
) -> Fix:
    """The fix of sites whose statements stay in their loop."""
    cases = [Case(one, writer, one.site.target) for one in sites if (writer := writer_of(one)) is not None]
    return Fix(
        group=number,
        rewrite=rewrite.name,
        title=wording.title(told),
        edits=edits,
        safe=rewrite is not stack_slots.REWRITE and all(is_safe(case, True, Effect.COPY) for case in cases),
        doubts=_united(doubts(case, Effect.COPY) for case in cases),
        assumes=_united(case.facts.assumes for case in cases),
        excused=_united(case.facts.excused for case in cases),
        keepers=_united(_keepers(case.facts) for case in cases),
    )


def _rows(part: Text, found: Sequence[Found]) -> Iterator[tuple[Rewrite, Rows | Filled]]:
    """Loops that can go by index, see Note [Rows by index], and that fill a tensor, see Note [Filled slots]."""
    if any(hazard.refusal == "loop-variable" for one in found for hazard in one.facts.hazards):
        yield from ((index_rows.REWRITE, one) for one in rows(part, parse_file(part.text), found))
    if any(map(is_filling, found)):
        yield from ((stack_slots.REWRITE, one) for one in filled(part, parse_file(part.text), found))


def _spans(found: Sequence[Found]) -> Iterator[Span]:
    for one in found:
        yield one.site.statement
        yield from (call.statement for call in one.facts.module_calls)


def _blocked(part: Text, no: Mapping[Found, Refused], left: Sequence[Found]) -> Refused | None:
    """The refusal that sites pass on to the others of their group, or None."""
    targets = {one.site.target for one in left}
    for one, why in no.items():
        if names.counts(why.refusal):
            return Refused(why.refusal, wording.neighbour(part, one.site.span, why.sentence))
        if one.site.target in targets:
            return Refused("no-safe-place", wording.neighbour(part, one.site.span, why.sentence))
    return None


def _rewritten(part: Text, table: Mapping[Span, Setting], opened: Sequence[tuple[Group, list[Found]]]
               ) -> dict[Found, Finding]:  # fmt: skip
    """Findings for the sites that nothing refuses beforehand."""
    outcomes: dict[Found, Finding] = {}
    composed: list[dict[Span, Composed]] = []
    for group, left in opened:
        try:
            composed.append(_composed(part, table, group, left))
        except _Stopped as stopped:
            outcomes |= {one: _finding(part, one, _passed_on(part, stopped.span, one, stopped.why)) for one in left}
    for number, statements in enumerate(_sharing(part, table, composed)):
        steps = [step for each in statements for step in each.steps]
        fix = _fix(number, statements, steps)
        outcomes |= {step.case.found: _fixed(part, fix, step) for step in steps}
        outcomes |= {one: _finding(part, one, why) for each in statements for one, why in each.finished.items()}
    return outcomes


class _Stopped(Exception):
    """One statement of a group cannot be rewritten."""

    def __init__(self, span: Span, why: Refused) -> None:
        super().__init__(why.sentence)
        self.span = span
        self.why = why


def _sharing(part: Text, table: Mapping[Span, Setting], groups: Sequence[Mapping[Span, Composed]]
             ) -> Iterator[list[Composed]]:  # fmt: skip
    """The groups, those joined whose stores share a clone and may claim the same."""
    every = {span: composed for group in groups for span, composed in group.items()}
    alone = {span for group in groups if len(group) == 1 for span in group}
    served = {
        span: by
        for span, by in shared(part, table, every).items()
        if span in alone and _claim(every[span]) == _claim(every[by])
    }
    late = {
        span: by
        for span, by in deferred(part, table, every).items()
        if {span, by} <= alone and _claim(every[span]) == _claim(every[by])
    }
    for group in groups:
        if not group.keys() <= {*served, *late}:
            more = [replace(every[one], edits=()) for one, by in served.items() if by in group]
            more += [replace(every[one], behind=(), after=()) for one in late if _last(late, one) in group]
            yield [*group.values(), *more]


def _last(late: Mapping[Span, Span], span: Span) -> Span:
    """The statement that puts back what this one leaves to it."""
    while span in late:
        span = late[span]
    return span


def _claim(composed: Composed) -> tuple[bool, str | None]:
    """What a fix of this statement alone would claim."""
    fix = _fix(0, [composed], composed.steps)
    return fix.safe, fix.parameter


def _composed(part: Text, table: Mapping[Span, Setting], group: Group, left: Sequence[Found]) -> dict[Span, Composed]:
    """The statements of a group, rewritten; raises _Stopped."""
    result: dict[Span, Composed] = {}
    for span in group.statements:
        if span not in table:
            raise _Stopped(span, Refused("no-safe-place", "the statement stands where it cannot be edited"))
        found = [one for one in group.found.get(span, ()) if one in left]
        try:
            made = _either(part, table[span], found, group.modules.get(span, ()))
        except Refusal as refusal:
            raise _Stopped(span, refusal.refused) from refusal
        result[span] = replace(made, edits=_trimmed(part, made.edits)) if span in group.divided else made
    return result


def _trimmed(part: Text, edits: Sequence[Edit]) -> tuple[Edit, ...]:
    """The edits without what they leave as it was, so that two of them may change one statement."""
    found = []
    for edit in edits:
        old, new = part.slice(edit.span), edit.text
        ahead = _alike(old, new)
        behind = _alike(old[ahead:][::-1], new[ahead:][::-1])
        span = Span(edit.span.start + ahead, edit.span.end - behind)
        found.append(Edit(span, new[ahead : len(new) - behind]))
    return tuple(found)


def _alike(one: str, other: str) -> int:
    """Number of characters with which both begin."""
    return sum(1 for _ in itertools.takewhile(operator.truth, map(operator.eq, one, other)))


def _either(part: Text, setting: Setting, found: Sequence[Found], modules: Sequence[Call]) -> Composed:
    """A statement, rewritten, with the form that a run would prove where it has no place for a clone."""
    try:
        return compose(part, setting, found, modules)
    except Refusal:
        if not any(one.facts.cloned for one in found):
            raise
    plain = {replace(one, facts=replace(one.facts, cloned=False)): one for one in found}
    made = compose(part, setting, [*plain], modules)
    steps = (replace(step, case=replace(step.case, found=plain[step.case.found])) for step in made.steps)
    return replace(made, steps=tuple(steps), finished={plain[one]: why for one, why in made.finished.items()})


def _passed_on(part: Text, span: Span, found: Found, why: Refused) -> Refused:
    """The refusal of one statement for a site of its group, with that statement named if it is another one."""
    if found.site.statement == span:
        return why
    return Refused(why.refusal, wording.neighbour(part, span, why.sentence))


def _fix(number: int, composed: Sequence[Composed], steps: Sequence[Step]) -> Fix:
    """What the sites of a group share."""
    facts = [step.case.facts for step in steps]
    edits = tuple(edit for each in composed for edit in (*each.edits, *each.behind))
    return Fix(
        group=number,
        rewrite="",
        title=wording.title([line for each in composed if each.edits for line in each.told]),
        edits=(*edits, *_united(one.hand_back for one in facts)),
        safe=all(is_safe(step.case, step.exact, step.rewrite.effect) for step in steps),
        parameter=next((one.parameter for one in facts if one.parameter is not None), None),
        doubts=_united(doubts(step.case, step.rewrite.effect) for step in steps),
        assumes=_united((*(one.assumes for one in facts), _of(edits))),
        excused=_united(one.excused for one in facts),
        keepers=_united(map(_keepers, facts)),
    )


def _of(edits: Sequence[Edit]) -> tuple[str, ...]:
    """What the text that is written assumes of the tensors."""
    return (putting.ASSUMES,) if any(map(putting.is_for_real, (edit.text for edit in edits))) else ()


def _keepers(facts: Facts) -> tuple[Keeper, ...]:
    """What the doubts that are left are about."""
    return tuple(each for each in facts.keepers if each.doubt in facts.doubts)


def _united(several: Iterable[tuple[One, ...]]) -> tuple[One, ...]:
    """All sentences, or edits, each once, in order."""
    return tuple(dict.fromkeys(one for some in several for one in some))


def _fixed(part: Text, fix: Fix, step: Step) -> Finding:
    finding = _finding(part, step.case.found, replace(fix, rewrite=step.rewrite.name))
    cost = wording.cost(step.rewrite, step.case.target)
    if step.rewrite.effect is Effect.REBIND and scattered(step.case):
        cost = f"a copy of {wording.code(step.case.facts.family[0].name)}, and {cost}"
    return replace(finding, cost=cost)


def _finding(part: Text, found: Found, outcome: Fix | Refused) -> Finding:
    related: tuple[Related, ...] = tuple(one for hazard in found.facts.hazards for one in hazard.related)
    return Finding(found.site.rule, found.site, wording.message(part, found.site, found.facts), outcome, related)
