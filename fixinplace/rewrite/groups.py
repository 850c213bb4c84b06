"""Which statements change together.

Note [Groups]
    The atom is the statement: its sites are rewritten together or not at all, since one text replaces them all.
    A flag of a module reaches further: it writes what the module is called with, so that the statements of its
    calls belong to its group, and so do all writes of a parameter that comes back by the same edits.  Flags of modules
    whose calls no statement shows are told apart within theirs: one may be right where another is in doubt.  A site
    that is not ours (`no-grad`, `untracked`, ...) stays as it is and does not stop its neighbours, unless it writes the
    very tensor that they write.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from fixinplace.model import Call, Edit, Found, Span


@dataclass
class Group:
    """Statements that change together, with their sites and the calls of in-place modules in them."""

    divided: frozenset[Span] = frozenset()
    """Statements in which other groups have flags as well."""
    found: dict[Span, list[Found]] = field(default_factory=lambda: defaultdict(list))
    modules: dict[Span, list[Call]] = field(default_factory=lambda: defaultdict(list))

    @property
    def statements(self) -> list[Span]:
        """The statements by position."""
        return sorted({*self.found, *self.modules}, key=lambda span: span.start)

    def sites(self) -> Iterator[Found]:
        """All sites, statement by statement."""
        for statement in self.statements:
            yield from self.found.get(statement, ())

    def add(self, found: Found) -> None:
        """Take in a site, and the calls of the module that it is a flag of."""
        self.found[found.site.statement].append(found)
        for call in found.facts.module_calls:
            if call not in self.modules[call.statement]:
                self.modules[call.statement].append(call)


def groups(found: Sequence[Found]) -> list[Group]:
    """The sites in groups, in the order of the first site of each; see Note [Groups]."""
    joined = _Joined()
    handing: dict[tuple[Edit, ...], Span] = {}
    for one in found:
        if one.facts.hand_back:
            joined.join(handing.setdefault(one.facts.hand_back, one.site.statement), one.site.statement)
        for call in one.facts.module_calls:
            joined.join(call.statement, one.site.statement)
    apart = _apart(found)
    result: dict[tuple[Span, Span | None], Group] = {}
    for one in found:
        alone = one.site.statement in apart and not one.facts.module_calls
        key = joined.find(one.site.statement), one.site.span if alone else None
        result.setdefault(key, Group(apart)).add(one)
    return list(result.values())


def _apart(found: Sequence[Found]) -> frozenset[Span]:
    """The statements that have several flags of modules, and nothing else that writes or belongs to them.

    Of one flag at most the calls are seen: the flags of a group are not taken out of a statement one by one.
    """
    within: dict[Span, list[Found]] = defaultdict(list)
    for one in found:
        within[one.site.statement].append(one)
    called = {call.statement for one in found for call in one.facts.module_calls}
    several = ((span, some) for span, some in within.items() if len(some) > 1 and span not in called)
    return frozenset(span for span, some in several if _are_flags(some))


def _are_flags(some: Sequence[Found]) -> bool:
    flags = all(one.site.rule == "FIP107" and not one.facts.hand_back for one in some)
    return flags and sum(bool(one.facts.module_calls) for one in some) < 2


class _Joined:
    """Sets of statements, each known by one of them."""

    def __init__(self) -> None:
        self.parent: dict[Span, Span] = {}

    def find(self, span: Span) -> Span:
        while (parent := self.parent.setdefault(span, span)) != span:
            span = parent
        return span

    def join(self, one: Span, other: Span) -> None:
        self.parent[self.find(one)] = self.find(other)
