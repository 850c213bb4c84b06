"""The child's side of a proof: the steps of `fixinplace fix` for one buffer, in the company of the other open ones."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fixinplace import files, pipeline
from fixinplace.commands.proving import Provers, Proving
from fixinplace.config import Nearest
from fixinplace.lsp import wire
from fixinplace.lsp.proofs import Key, Proven, key_of, written_edits
from fixinplace.model import Fix, Verdict
from fixinplace.pipeline import Policy, Prover, Result
from fixinplace.source import Source

Json = dict[str, Any]

_COMPANY = ("still-raises", "probe-failed")
"""Reasons why one fix alone cannot be ruled on, and together with the others perhaps can."""


def prove(request: Json, tell: Callable[[str], None]) -> Json:
    """The proof of one fix, or of all; a JSON-able `Proven`.

    One fix is proved alone; where another write keeps the program failing, together with all others of the file.
    Raises BadConfig for a probe that does not exist.
    """
    runs = 0

    def running() -> None:
        nonlocal runs
        runs += 1
        tell(f"run {runs}")

    source, *others = [_source(each) for each in request["open"]]
    options = Proving(tuple(request["probe"]), request["timeout"], request["allow_run"])
    config = Nearest(request["config"] or None)(source.path)
    company = _company(others)
    with contextlib.closing(Provers(options, [source, *others], running)) as provers:
        prover = provers.prover(source, config, company)
        found = _proven(source, frozenset(request["enabled"]), prover, request["wanted"])
    return wire.dump(found)


def _source(data: Json) -> Source:
    return files.of_text(data["path"], data["text"], data["on_disk"])


def _company(others: Sequence[Source]) -> Mapping[Path, tuple[str, str]]:
    """Open files whose text is not what the disk has: a run sees what the editor shows."""
    company = {}
    for other in others:
        saved = files.read(other.path)
        if isinstance(saved, Source) and saved.part.text != other.part.text:
            company[Path(other.path).absolute()] = (other.part.text, other.part.text)
    return company


def _proven(source: Source, enabled: frozenset[str], prover: Prover | None, wanted: Json | None) -> Proven:
    if wanted is None:
        return _result(source, pipeline.fix(source, enabled, Policy(), prover), None)
    analysis = pipeline.analyse(source, enabled)
    key = wire.read_key(wanted)
    own = tuple(finding for finding in analysis.findings if (found := key_of(finding)) and found[3] == key[3])
    alone = pipeline.prove(source, replace(analysis, findings=own), Policy(), prover)
    first = _result(source, pipeline.choose_written(source, alone, Policy()), key)
    reason = first.ruling.reason if first.ruling is not None and first.ruling.verdict is not Verdict.PROVED else None
    if reason in _COMPANY and prover is not None:
        joint = _result(source, pipeline.fix(source, enabled, Policy(), prover), key)
        if joint.ruling is not None and joint.ruling.verdict is Verdict.PROVED:
            return joint
    return first


def _result(source: Source, result: Result, wanted: Key | None) -> Proven:
    rulings, written = {}, set()
    for finding in result.analysis.findings:
        key = key_of(finding)
        fix = finding.outcome
        if key is None or not isinstance(fix, Fix) or fix.ruling is None:
            continue
        rulings[key] = fix.ruling
        if fix.group in result.written:
            written.add(key)
    return Proven(source.part.text, rulings, written_edits(result), frozenset(written), wanted)
