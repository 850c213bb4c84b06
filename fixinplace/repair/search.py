"""From offences to the smallest patch that is right: candidates from the trace, tried together, then reduced.

Note [The search]
    One run under the tracer tells all offences at once, and the first write of each is its culprit.  For every culprit
    the proposals are tried in the order in which an expert would; the first of each together, since with one of two
    culprits left a program dies, or worse, goes on with another wrong gradient.  What a refutation blames is replaced
    by its next proposal; what still raises is traced again, and what shows there joins the others.  When the whole is
    proved, everything that can be left out is, and where a culprit has a shorter proposal that is right as well, with
    nothing more to warn of, that one is taken.
"""

from __future__ import annotations

import functools
import operator
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from fixinplace.model import Ruling, Verdict
from fixinplace.repair import behind, chained, snapshots, unread, upstream
from fixinplace.repair.base import Files, Proof, Proposal, Tier
from fixinplace.repair.budget import Budget
from fixinplace.repair.code import Code
from fixinplace.repair.found import Culprit, Found, Tried, is_near, is_nearer, is_silent, key, meanings
from fixinplace.repair.patching import Attempt, Clash, back, compose
from fixinplace.repair.proposed import choices, culprits, distinct, nothing, proposals_for
from fixinplace.repair.reads import copies, of_all, without
from fixinplace.trace.events import Offence, Trace
from fixinplace.verify.bench import Case, Judgement, Mark, Texts
from fixinplace.verify.probes import Probe

_MAX_ROUNDS = 40
_TORCH_IS_WRONG = "FIP304"
"""A write whose gradient is wrong in every version: behind an error of the original it refutes what cures that."""
_MAX_SHORTER = 3
_MAX_CHAIN = 3
_DOES_NOT_RUN = ("new-error", "still-raises")
_NO_REFERENCE = ("no-forward-reference", "probe-failed")
_LEAVES = ("FIP202", "FIP203")


class Lab(Protocol):
    """What the search needs of a runner."""

    def judge(self, case: Case, marks: tuple[Mark, ...]) -> Judgement:
        """Rule on rewritten texts."""

    def alone(self, case: Case) -> Ruling:
        """Refute rewritten texts in which other culprits may remain."""

    def trace(self, probe: Probe, texts: Texts) -> Trace | str:
        """The offences of a version; a sentence where it could not be traced."""


def _proposes(culprit: Culprit, proposal: Proposal) -> bool:
    return any(each.changes == proposal.changes for each in culprit.proposals)


@dataclass
class Search:
    """One search; `run` does it.

    known: culprits by key. dead: proposals that were given up. left: offences that the last trace showed.
    """

    probe: Probe
    files: Files
    lab: Lab
    budget: Budget
    progress: Callable[[str], None]
    packages: Files = nothing
    known: dict[tuple[object, ...], Culprit] = field(default_factory=dict)
    dead: set[Proposal] = field(default_factory=set)
    tried: list[Tried] = field(default_factory=list)
    left: list[Offence] = field(default_factory=list)
    stopped: str = ""
    started: float = field(default_factory=time.monotonic)

    def run(self, offences: Sequence[Offence], hidden: Sequence[Offence] = ()) -> Found:
        """Search for all offences of one traced run; hidden: what it wrote behind autograd."""
        self._learn(offences)
        best = self._search()
        if best is not None and best.ruling.verdict is Verdict.PROVED:
            best = self._thinned(self._copied(self._shortened(self._shared(self._reduced(best)))))
            best = self._also_silent(best)
        choices = self._choices(best)
        if choices and best is not None and not is_near(best):
            best = None  # what remains is a choice; what was tried before is told with all that was tried
        known = tuple(self.known.values())
        found = Found(known, best, (), tuple(self._open()), choices, self.stopped)
        found = replace(snapshots.beside(found, self.files, self._with), tried=tuple(self.tried))
        return self._with_hidden(found, hidden) if found.proved and hidden else found

    def _also_silent(self, best: Tried) -> Tried:
        """What shows once the program gets past what killed it, and raises nothing, is repaired as well, if it can be.

        Else the patch stays as it is; its evidence tells what is not of its making.
        """
        for culprit in culprits(self._silent(best), self.files, self.packages):
            for patch in culprit.of(Tier.PATCH)[:_MAX_SHORTER] if culprit.key not in self.known else ():
                tried = self._with(best, patch)
                if tried is not None and tried.ruling.verdict is Verdict.PROVED:
                    self.known[culprit.key], best = culprit, tried
                    break
        return best

    def _silent(self, tried: Tried) -> list[Offence]:
        """The offences of a version that raise nothing, where they stand in the texts on the disk."""
        trace = self.lab.trace(self.probe, tried.attempt.rewritten)
        return [] if isinstance(trace, str) else [back(one, tried.attempt) for one in trace.offences if one.silent]

    def _with(self, best: Tried, patch: Proposal, without: Sequence[Proposal] = ()) -> Tried | None:
        others = [each for each in best.attempt.proposals if each not in without]
        try:
            return None if self._spent() else self._judged(self._composed([*others, patch]))
        except Clash:
            return None

    def _with_hidden(self, found: Found, hidden: Sequence[Offence]) -> Found:
        """See Note [Behind autograd, beside another culprit]."""
        more = [each for each in culprits(hidden, self.files, self.packages) if each.key not in self.known]
        self.known |= {each.key: each for each in more}
        choices = self._choices(found.best)
        return behind.beside(replace(found, tried=tuple(self.tried), stopped=self.stopped), more, choices)

    # --- the state: what is known, and what was given up

    def _learn(self, offences: Sequence[Offence]) -> bool:
        """Take in offences; True if a culprit is new, or has spoilt something that was not known."""
        before = dict(self.known)
        for culprit in culprits(offences, self.files, self.packages):
            known = self.known.get(culprit.key)
            both = distinct([*(known.offences if known is not None else ()), *culprit.offences])
            if known is None:
                self.known[culprit.key] = culprit
            elif len(both) > len(distinct(known.offences)):
                self.known[culprit.key] = Culprit(tuple(both), proposals_for(both, self.files, self.packages))
        return self.known != before

    def _chosen(self) -> list[Proposal]:
        """The proposal that is on for each culprit that has one left."""
        firsts = (self._first(culprit) for culprit in self.known.values())
        return list(dict.fromkeys(first for first in firsts if first is not None))

    def _first(self, culprit: Culprit) -> Proposal | None:
        return next((patch for patch in culprit.of(Tier.PATCH) if patch not in self.dead), None)

    def _open(self) -> list[Culprit]:
        """Culprits without any proposal that holds."""
        return [culprit for culprit in self.known.values() if self._first(culprit) is None]

    # --- the search itself

    def _search(self) -> Tried | None:
        best: Tried | None = None
        for _ in range(_MAX_ROUNDS):
            chosen = self._chosen()
            if not chosen or self._spent():
                break
            try:
                attempt = self._composed(chosen)
            except Clash:
                self.dead.add(chosen[-1])
                continue
            last = self._judged(attempt)
            best = last if best is None or is_nearer(last, best) else best
            if last.ruling.verdict is Verdict.PROVED or not self._changed(last):
                break
        return best

    def _changed(self, last: Tried) -> bool:
        """Learn from what was not proved; False if there is nothing left to change."""
        reason = last.ruling.reason
        if last.ruling.verdict is Verdict.UNPROVED and reason not in ("not-reached",):
            return False
        if reason == "still-raises" and self._retrace(last.attempt):
            return True
        if reason == "gradient-differs" and self._learn([o for o in self._silent(last) if o.rule == _TORCH_IS_WRONG]):
            return True
        blamed = self._blamed(last)
        self.dead.update(blamed)
        return bool(blamed)

    def _retrace(self, attempt: Attempt) -> bool:
        """Trace a version that still raises; True if it shows a culprit that was not known."""
        trace = self.lab.trace(self.probe, attempt.rewritten)
        self.left = [] if isinstance(trace, str) else [back(offence, attempt) for offence in trace.offences]
        return self._learn(self.left)

    def _blamed(self, last: Tried) -> list[Proposal]:
        """The proposals that are wrong by themselves, or, where none is, those of the culprits that are still there."""
        proposals = list(last.attempt.proposals)
        if last.ruling.reason == "still-raises" and self.left:
            names = {key(offence) for offence in self.left} & self.known.keys()
            return [p for p in proposals if any(p in self.known[name].proposals for name in names)]
        if len(proposals) == 1:
            return proposals
        wrong = [each for each in proposals if self._is_wrong(each)]
        return wrong or self._suspects(proposals, last.ruling.reason)[:1] or proposals[-1:]

    def _suspects(self, proposals: Sequence[Proposal], reason: str | None) -> list[Proposal]:
        """Where values differ: edits of writes that torch refused, which nothing alone could be compared with."""
        if reason != "forward-differs":
            return []
        refused = [each for each in self.known.values() if each.offences[0].save is None]
        return [p for p in proposals for each in refused if p in each.proposals and p != each.of(Tier.PATCH)[-1]]

    def _is_wrong(self, proposal: Proposal) -> bool:
        attempt = self._composed([proposal])
        ruling = self.lab.alone(self._case(attempt))
        self.tried.append(Tried(attempt, ruling))
        return ruling.verdict is Verdict.REFUTED

    def _reduced(self, best: Tried) -> Tried:
        """Leave out what can be left out, the largest first."""
        for proposal in best.attempt.proposals if len(best.attempt.proposals) > 1 else ():
            rest = [each for each in best.attempt.proposals if each != proposal]
            if not rest or self._spent():
                continue
            smaller = self._judged(self._composed(rest))
            best = smaller if smaller.ruling.verdict is Verdict.PROVED else best
        return best

    def _shared(self, best: Tried) -> Tried:
        """One edit in place of several, where it was proposed for each of their culprits."""
        for other in self._common(best)[:_MAX_SHORTER]:
            mended = [each for each in self.known.values() if _proposes(each, other)]
            others = [each for each in self.known.values() if each not in mended]
            rest = [p for p in best.attempt.proposals if any(p in each.proposals for each in others)]
            try:
                attempt = self._composed([other, *rest])
            except Clash:
                continue
            if attempt.length < best.attempt.length and not self._spent():
                tried = self._judged(attempt)
                best = tried if tried.ruling.verdict is Verdict.PROVED else best
        return best

    def _common(self, best: Tried) -> list[Proposal]:
        """Patches for several culprits at once that warn of nothing more than what is proved."""
        if len(best.attempt.proposals) < 2:
            return []
        warned = {caveat for proposal in best.attempt.proposals for caveat in proposal.caveats}
        found: dict[object, Proposal] = {}
        for culprit in self.known.values():
            for each in culprit.of(Tier.PATCH):
                fits = each.rank < upstream.LAST and not set(each.caveats) - warned and each not in self.dead
                if fits and sum(_proposes(other, each) for other in self.known.values()) > 1:
                    found.setdefault(each.changes, each)
        own = any(Proof.OWN in proposal.proof for proposal in best.attempt.proposals)
        return [] if own else sorted(found.values(), key=lambda each: each.rank)

    def _shortened(self, best: Tried) -> Tried:
        """Shorter proposals for the same culprits, where they are right as well."""
        for proposal in best.attempt.proposals:
            for other in self._shorter(proposal):
                if self._spent():
                    return best
                try:
                    attempt = self._composed([other if each == proposal else each for each in best.attempt.proposals])
                except Clash:
                    continue
                tried = self._judged(attempt) if attempt.length < best.attempt.length else best
                if tried is not best and tried.ruling.verdict is Verdict.PROVED:
                    best = tried
                    break
        return best

    def _copied(self, best: Tried) -> Tried:
        """Copies at the reads in place of all other patches, where that is shorter and right as well."""
        mended = [each for each in self.known.values() if any(p in each.proposals for p in best.attempt.proposals)]
        proposal = of_all([each.of(Tier.PATCH) for each in mended])
        if proposal is None or self._length(proposal) >= best.attempt.length or self._spent():
            return best
        tried = self._judged(self._composed([proposal]))
        return tried if tried.ruling.verdict is Verdict.PROVED else best

    def _thinned(self, best: Tried) -> Tried:
        """Without the copies that can go, of those that were proposed for every read."""
        for whole in best.attempt.proposals:
            now = whole
            for number in reversed(range(copies(whole))):
                fewer = without(now, number)
                if fewer is None or self._spent():
                    break
                smaller = self._judged(self._composed([fewer if p == now else p for p in best.attempt.proposals]))
                if smaller.ruling.verdict is Verdict.PROVED:
                    best, now = smaller, fewer
        return best

    def _shorter(self, proposal: Proposal) -> list[Proposal]:
        """What else was proposed for all culprits that a proposal mends, if it changes fewer lines: the shortest."""
        mended = [culprit for culprit in self.known.values() if proposal in culprit.proposals]
        others = [p for p in (mended[0].of(Tier.PATCH) if mended else ()) if all(p in c.proposals for c in mended)]
        own, found = self._length(proposal), []
        for other in others:
            warns = set(other.caveats) - set(proposal.caveats) or other.rank >= upstream.LAST
            warns = warns or (Proof.OWN in proposal.proof and other.repair != proposal.repair)
            if own > 1 and other not in self.dead and other != proposal and not warns:
                found += [(length, other) for length in (self._length(other),) if length < own]
        return [other for _, other in sorted(found, key=lambda each: each[0])[:_MAX_SHORTER]]

    def _length(self, proposal: Proposal) -> int:
        try:
            return self._composed([proposal]).length
        except Clash:
            return sys.maxsize

    def _choices(self, best: Tried | None) -> tuple[Tried, ...]:
        """Every proposal with a meaning of its own, with what repairs the rest; the first of those with one text."""
        rest = list(best.attempt.proposals) if best is not None and best.ruling.verdict is Verdict.PROVED else []
        rest = rest or self._chosen()
        found: dict[object, Tried] = {}
        vain = best is not None and best.ruling.reason in _NO_REFERENCE
        open_ones = self.known.values() if vain else self._open()
        choices = {each.changes: each for one in open_ones for each in meanings(one, self.tried)}
        for proposal in choices.values():
            if self._spent():
                break
            others = {p for each in self.known.values() if vain and _proposes(each, proposal) for p in each.proposals}
            try:
                attempt = self._composed([*(each for each in rest if each not in others), proposal])
            except Clash:
                continue
            if attempt.rewritten in found:
                continue
            tried = self._judged(attempt)
            if tried.ruling.reason == "still-raises" and not rest:
                tried = self._chained(tried, proposal)
            if tried.ruling.reason not in _DOES_NOT_RUN and not self._is_half(proposal, tried):
                found.setdefault(tried.attempt.rewritten, tried)
        ending = [each for each in found.values() if each.ruling.reason != "probe-failed"]
        return tuple(ending or found.values())

    def _is_half(self, proposal: Proposal, tried: Tried) -> bool:
        """True if a choice leaves something that the same write spoils unnoticed; see Note [Half a repair]."""
        mine = {each.key for each in self.known.values() if _proposes(each, proposal) and is_silent(each)}
        asks = bool(mine) and tried.ruling.verdict is not Verdict.PROVED
        trace = self.lab.trace(self.probe, tried.attempt.rewritten) if asks else ""
        return not isinstance(trace, str) and any(
            key(back(o, tried.attempt)) in mine for o in trace.offences if o.silent
        )

    def _chained(self, tried: Tried, proposal: Proposal) -> Tried:
        """A choice made again for what it has left; see Note [The same again]."""
        for _ in range(_MAX_CHAIN):
            trace = self.lab.trace(self.probe, tried.attempt.rewritten)
            if isinstance(trace, str) or tried.ruling.reason != "still-raises" or self._spent():
                break
            more = chained.once_more(proposal, tried.attempt, trace.offences, self.files, choices)
            if more is None:
                break
            proposal, tried = more, self._judged(self._composed([more]))
        return tried

    # --- running

    def _composed(self, proposals: Sequence[Proposal]) -> Attempt:
        return compose(self._codes(proposals), proposals)

    def _codes(self, proposals: Sequence[Proposal]) -> Mapping[str, Code]:
        paths = {change.path for proposal in proposals for change in proposal.changes}
        return {path: code for path in paths if (code := self.files(path) or self.packages(path)) is not None}

    def _case(self, attempt: Attempt) -> Case:
        kept, limited = self._keeps_leaves(attempt), any(each.tier is Tier.CHOOSE for each in attempt.proposals)
        gone = unread.paths(attempt.proposals, self.probe, self.files, attempt.rewritten)
        excused = frozenset(path for proposal in attempt.proposals for path in proposal.excused)
        proof = functools.reduce(operator.or_, (proposal.proof for proposal in attempt.proposals), Proof.PLAIN)
        return Case(
            self.probe, attempt.original, attempt.rewritten, True, kept, limited, excused, gone,
            hidden=Proof.HIDDEN in proof, derived=Proof.DERIVED in proof, unasked=Proof.UNASKED in proof,
        )  # fmt: skip

    def _keeps_leaves(self, attempt: Attempt) -> bool:
        """True if every leaf that the original writes is still written in place."""
        leaves = [each for each in self.known.values() if each.offences[0].rule in _LEAVES]
        chosen = [p for p in attempt.proposals for each in leaves if p in each.proposals]
        return bool(chosen) and all(Proof.LEAVES in p.proof for p in chosen)

    def _judged(self, attempt: Attempt) -> Tried:
        titles = "; ".join(proposal.title for proposal in attempt.proposals)
        self.progress(titles)
        ruling = self.lab.judge(self._case(attempt), attempt.marks).ruling
        tried = Tried(attempt, ruling)
        self.tried.append(tried)
        if ruling.reason == "timed-out":
            self._spent()
        return tried

    def _spent(self) -> bool:
        if len(self.tried) >= self.budget.judgements:
            self.stopped = f"the budget of {self.budget.judgements} tries is spent"
        elif time.monotonic() >= self.started + self.budget.seconds:
            self.stopped = f"the budget of {self.budget.seconds:g} s is spent"
        return bool(self.stopped)
