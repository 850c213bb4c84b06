"""From sites to findings: what is refused, what changes together, and the edits of each group.

Note [Groups]
    The atom is the statement: its sites are rewritten together or not at all, since one text replaces them all.
    A flag of a module reaches further: it writes what the module is called with, so that the statements of its
    calls belong to its group.  A site that is not ours (`no-grad`, `untracked`, ...) stays as it is and does not
    stop its neighbours, unless it writes the very tensor that they write.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fixinplace import names
from fixinplace.model import Call, Finding, Fix, Found, Refused, Related, Span
from fixinplace.rewrite import wording
from fixinplace.rewrite.binding import Refusal
from fixinplace.rewrite.choice import Step, writer_of
from fixinplace.rewrite.compose import Composed, compose
from fixinplace.rewrite.conditions import is_safe, refused
from fixinplace.rewrite.reads import parse
from fixinplace.rewrite.setting import Setting, settings
from fixinplace.source import Text


@dataclass
class _Group:
    """Statements that change together, with their sites and the calls of in-place modules in them."""

    found: dict[Span, list[Found]] = field(default_factory=lambda: defaultdict(list))
    modules: dict[Span, list[Call]] = field(default_factory=lambda: defaultdict(list))

    @property
    def statements(self) -> list[Span]:
        return sorted({*self.found, *self.modules}, key=lambda span: span.start)

    def sites(self) -> Iterator[Found]:
        for statement in self.statements:
            yield from self.found.get(statement, ())


def plan(part: Text, found: Sequence[Found]) -> tuple[Finding, ...]:
    """One finding for each site, in their order; see Note [Groups]."""
    outcomes: dict[Found, Finding] = {}
    table: Mapping[Span, Setting] | None = None
    for number, group in enumerate(_groups(found)):
        no = {one: why for one in group.sites() if (why := refused(one, writer_of(one))) is not None}
        open_ones = [one for one in group.sites() if one not in no]
        outcomes |= {one: _finding(part, one, why) for one, why in no.items()}
        blocked = _blocked(part, no, open_ones)
        if blocked is not None:
            outcomes |= {one: _finding(part, one, blocked) for one in open_ones}
            continue
        if open_ones:
            table = settings(part, parse(part.text), _spans(found)) if table is None else table
            outcomes |= _rewritten(part, table, number, group, open_ones)
    return tuple(outcomes[one] for one in found)


def _spans(found: Sequence[Found]) -> Iterator[Span]:
    for one in found:
        yield one.site.statement
        yield from (call.statement for call in one.facts.module_calls)


def _groups(found: Sequence[Found]) -> list[_Group]:
    """Statements joined where a module's flag and its calls stand in several."""
    root: dict[Span, Span] = {}

    def find(span: Span) -> Span:
        while root.setdefault(span, span) != span:
            span = root[span]
        return span

    for one in found:
        for call in one.facts.module_calls:
            root[find(call.statement)] = find(one.site.statement)
    groups: dict[Span, _Group] = defaultdict(_Group)
    for one in found:
        group = groups[find(one.site.statement)]
        group.found[one.site.statement].append(one)
        for call in one.facts.module_calls:
            if call not in group.modules[call.statement]:
                group.modules[call.statement].append(call)
    return list(groups.values())


def _blocked(part: Text, no: Mapping[Found, Refused], open_ones: Sequence[Found]) -> Refused | None:
    """The refusal that sites pass on to the others of their group, or None."""
    targets = {one.site.target for one in open_ones}
    for one, why in no.items():
        if names.counts(why.refusal):
            return Refused(why.refusal, wording.neighbour(part, one.site.span, why.sentence))
        if one.site.target in targets:
            return Refused("no-safe-place", wording.neighbour(part, one.site.span, why.sentence))
    return None


def _rewritten(part: Text, table: Mapping[Span, Setting], number: int, group: _Group, open_ones: Sequence[Found]
               ) -> dict[Found, Finding]:  # fmt: skip
    """Findings for sites that nothing refuses beforehand."""
    try:
        composed = [_composed(part, table, group, span, open_ones) for span in group.statements]
    except Refusal as refusal:
        return {one: _finding(part, one, refusal.refused) for one in open_ones}
    edits = tuple(edit for one in composed for edit in one.edits)
    lines = [line for one in composed for line in one.lines if one.edits]
    taken = {step.case.found: step for one in composed for step in one.steps}
    facts = [one.facts for one in open_ones]
    safe = all(is_safe(one, taken[one].exact) for one in open_ones)
    shared = Fix(
        group=number,
        rewrite="",
        title=wording.title(lines),
        edits=edits,
        safe=safe,
        parameter=next((f.parameter for f in facts if f.parameter is not None), None),
        doubts=_united(f.doubts for f in facts),
        assumes=_united(f.assumes for f in facts),
    )
    return {one: _fixed(part, one, shared, taken[one]) for one in open_ones}


def _composed(part: Text, table: Mapping[Span, Setting], group: _Group, span: Span, open_ones: Sequence[Found]
              ) -> Composed:  # fmt: skip
    """One statement of a group; raises Refusal, with the statement named if its sites stand elsewhere."""
    if span not in table:
        raise Refusal("no-safe-place", "the statement stands where it cannot be edited")
    return compose(
        part, table[span], [one for one in group.found.get(span, ()) if one in open_ones], group.modules.get(span, ())
    )


def _united(sentences: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """All sentences, each once, in order."""
    return tuple(dict.fromkeys(sentence for some in sentences for sentence in some))


def _fixed(part: Text, found: Found, shared: Fix, step: Step) -> Finding:
    fix = replace(shared, rewrite=step.rewrite.name)
    finding = _finding(part, found, fix)
    return replace(finding, cost=wording.cost(step.rewrite, step.case.target))


def _finding(part: Text, found: Found, outcome: Fix | Refused) -> Finding:
    related: tuple[Related, ...] = tuple(one for hazard in found.facts.hazards for one in hazard.related)
    return Finding(found.site.rule, found.site, wording.message(part, found.site, found.facts.place), outcome, related)
