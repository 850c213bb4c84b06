"""`--scope`: every write that autograd tracks, or only those that a run shows to break something.

Note [What is broken]
    The tracer tells, of a run of the program as it is, every saved tensor that was not what its backward needed, and
    every write that the framework refused; the first write of each is what broke it.  A run that fails shows only what
    came before its end, so the writes that are known are rewritten and the program is run again, until nothing new
    shows.  A write that no run came by may be broken or not: nothing is known, so nothing is offered.  What breaks and
    is none of `fix`'s findings (an optimizer's step, statistics) is reported as a refusal: that a run fails must show.
    Files of one call are looked at together: what a script breaks may stand in what it imports.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from fixinplace import names, pipeline, rounds
from fixinplace.commands.inputs import Input
from fixinplace.config import BadConfig
from fixinplace.model import Analysis, Certainty, Edit, Finding, Fix, Refused, Site, Span
from fixinplace.pipeline import Result
from fixinplace.source import Text, apply

if TYPE_CHECKING:
    from fixinplace.commands.proving import Provers
    from fixinplace.trace.events import Offence, Place, Trace, Write
    from fixinplace.verify.jobs import Patch
    from fixinplace.verify.probes import Probe

_ROUNDS = 8
_BREAKS = Refused("only-repair", "a run shows that it breaks, and no rewrite of it is known; try `fixinplace repair`")
_RAN = Refused("not-broken", "it ran, and no backward failed or went wrong by it")
_UNKNOWN = Refused("not-broken", "no run showed that it breaks anything")


class Scope(enum.StrEnum):
    """`--scope`."""

    TRACKED = "tracked"
    BROKEN = "broken"


def broken(items: Sequence[Input | Result], provers: Provers) -> list[Input | Result]:
    """The same items, each offering only what a run shows to break; see Note [What is broken].  Raises BadConfig."""
    files = {id(item): _File(item) for item in items if isinstance(item, Input)}
    probes = [probe for file in files.values() for probe in provers.probes(file.item.source, file.item.config)]
    _look(list(dict.fromkeys(probes)), list(files.values()), provers)
    for file in files.values():
        _look(provers.made_for(file.item.source, file.unmet(), file.item.config), [file], provers)
    return [replace(item, narrowed=files[id(item)].narrowed) if isinstance(item, Input) else item for item in items]


def _look(probes: Sequence[Probe], files: Sequence[_File], provers: Provers) -> None:
    """Trace the probes until a run shows nothing new."""
    for probe in probes:
        for _ in range(_ROUNDS):
            trace = provers.trace(probe, tuple(file.patch() for file in files))
            if isinstance(trace, str):
                break
            further = [file.learn(trace) for file in files]
            if not any(further):
                break


@dataclass
class _File:
    """One source, with what runs have told of it, in spans of its original text.

    culprits: what wrote first over what a backward needed, or was refused.  met: all writes that ran.
    """

    item: Input
    culprits: dict[Span, tuple[Offence, Write]] = field(default_factory=dict)
    met: set[Span] = field(default_factory=set)

    def __post_init__(self) -> None:
        if self.item.source.path == "-":
            raise BadConfig("--scope broken is told by a run: give the source a name with --stdin-filename")

    @cached_property
    def _path(self) -> str:
        return str(Path(self.item.source.path).resolve())

    @cached_property
    def _analysis(self) -> Analysis:
        return pipeline.analyse(self.item.source, self.item.enabled)

    @cached_property
    def _sites(self) -> frozenset[Span]:
        return frozenset(finding.site.span for finding in self._analysis.findings)

    def _hit(self, finding: Finding, places: Iterable[Span]) -> bool:
        """True if one of some places that ran is this site: the very span, or one of no site that touches it."""
        site = finding.site.span
        return any(place == site or (site.overlaps(place) and place not in self._sites) for place in places)

    # --- what is offered

    def unmet(self) -> list[Fix]:
        """Fixes of sites that no run came by."""
        unmet = (finding for finding in self._analysis.findings if not self._hit(finding, self.met))
        return list(pipeline.fixes(unmet).values())

    def narrowed(self, analysis: Analysis) -> Analysis:
        """The analysis with a refusal in place of whatever no run has shown to break, and of what is known by runs."""
        kept = {id(finding) for finding in self._offered(analysis)}
        findings = [self._one(finding, id(finding) in kept) for finding in analysis.findings]
        known = (*analysis.findings, *analysis.suppressed)
        missing = [place for place in self.culprits if not any(self._hit(finding, [place]) for finding in known)]
        more = [self._seen(place, *self.culprits[place]) for place in missing]
        wanted = [finding for finding in more if finding.rule in self.item.enabled]
        return replace(analysis, findings=rounds.ordered([*findings, *wanted]))

    def _offered(self, analysis: Analysis) -> list[Finding]:
        """The culprits, and what has to change together with them."""
        hit = [finding for finding in analysis.findings if self._hit(finding, self.culprits)]
        groups = pipeline.groups(hit)
        return [each for each in analysis.findings if each in hit or pipeline.groups([each]) & groups]

    def _one(self, finding: Finding, kept: bool) -> Finding:
        """A finding as it is offered; what breaks counts, whatever it would be otherwise."""
        if kept:
            return finding if pipeline.counts(finding) else replace(finding, outcome=_BREAKS)
        if not pipeline.counts(finding):
            return finding
        return replace(finding, outcome=_RAN if self._hit(finding, self.met) else _UNKNOWN)

    def _seen(self, place: Span, offence: Offence, write: Write) -> Finding:
        """A culprit that only a run knows."""
        text = " ".join(self.item.source.part.slice(place).split())
        function = write.origin.function if write.origin is not None else ""
        site = Site(offence.rule, write.op, text, place, place, function, Certainty.RAN)
        rule = names.rule(offence.rule)
        return Finding(offence.rule, site, f"`{text}`: {rule.summary if rule is not None else ''}", _BREAKS)

    # --- what runs tell

    def _edits(self) -> list[Edit]:
        """The edits of what is offered by now."""
        found = pipeline.fixes(self._offered(self._analysis))
        return [edit for fix in found.values() for edit in fix.edits]

    def patch(self) -> Patch:
        """The text with what is known to break rewritten."""
        from fixinplace.verify.jobs import Patch

        return Patch(str(Path(self.item.source.path).absolute()), apply(self.item.source.part.text, self._edits()))

    def learn(self, trace: Trace) -> bool:
        """Take in what a run of the rewritten text told; True if the text has to be rewritten further."""
        edits = self._edits()
        text = Text(apply(self.item.source.part.text, edits))
        for spot in trace.spots:
            self.met |= self._stood(spot.place, text, edits)
        for offence in trace.offences:
            for write in offence.writes[:1]:
                for place in self._stood(write.origin, text, edits):
                    self.culprits.setdefault(place, (offence, write))
        self.met |= self.culprits.keys()
        return self._edits() != edits

    def _stood(self, place: Place | None, text: Text, edits: Sequence[Edit]) -> set[Span]:
        """Where a place of the rewritten text stood; nothing for another file and for text that a fix wrote."""
        if place is None or place.file != self._path or place.line > len(text.starts):
            return set()
        starts = [*text.starts, len(text.text)]
        if place.column and place.end_line and place.end_column:
            span = Span(starts[place.line - 1] + place.column - 1, starts[place.end_line - 1] + place.end_column - 1)
        else:
            span = Span(starts[place.line - 1], starts[place.line])
        stood = rounds.stood(span, edits)
        return set() if stood is None else {stood}
