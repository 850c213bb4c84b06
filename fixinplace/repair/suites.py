"""A write that torch refuses in a test: the test by itself is what is compared, the whole command has to pass.

Note [One test]
    A test runner catches what ends a test.  In a run of the whole command nothing then tells how far the original came,
    and there is nothing to compare a patch with.  Called by itself, a test function ends as any other function does,
    and the original has the reference that such an end has.  Fixtures and classes are not there then: a test that has
    any is run by pytest, alone and as the command would, and what ends it is raised again (`verify.one_test`).  What
    that proves holds only if the whole command, run on the patched files, comes to its end and leaves with 0: the test
    that failed has then run to its end and passed, and so have the others.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fixinplace.model import Ruling, Verdict
from fixinplace.repair.base import Files
from fixinplace.repair.found import key
from fixinplace.trace.events import Offence, Trace
from fixinplace.verify import one_test
from fixinplace.verify.bench import Case, Judgement, Mark, Texts
from fixinplace.verify.errors import is_broken
from fixinplace.verify.jobs import Job, Run
from fixinplace.verify.probes import Probe, runs_tests
from fixinplace.verify.runner import Runner

_PREPARED = re.compile(r"\bautouse\b|\busefixtures\b|\bsetup_(?:module|function)\b|\bsetUpModule\b")
_PYTEST = ("pytest", "py.test")
_FIXTURE = "fixture"
_NOTE = "the test was run by itself; then the whole command was run on the patched files, and every test passed"


def by_itself(probe: Probe, offences: Sequence[Offence], files: Files) -> Probe | None:
    """A test function in which every refused write shows, as a probe; None if there is none, or another offence."""
    if not runs_tests(probe) or any(each.save is not None or not each.writes for each in offences):
        return None
    places: dict[Probe, set[object]] = {}
    for each in offences:
        if (test := _test(probe, each, files)) is not None:
            places.setdefault(test, set()).add(key(each))
    every = {key(each) for each in offences}
    return next((test for test, some in places.items() if some == every), None)


def _test(probe: Probe, offence: Offence, files: Files) -> Probe | None:
    """The test function in which a write was refused: called, or run by pytest alone where it needs preparation."""
    own = [place for place in offence.writes[0].stack if files(place.file) is not None]
    code = files(own[-1].file) if own else None
    found = None if code is None else _function(code.tree.body, own[-1].function.split("."))
    if code is None or found is None:
        return None
    name = own[-1].function
    prepared = _PREPARED.search(code.text.text) or _is_prepared(Path(code.path))
    given = found.decorator_list or ast.unparse(found.args) or found not in code.tree.body
    if not prepared and not given:
        return Probe("callable", code.path, name, (), probe.folder)
    if probe.name not in _PYTEST or any(_FIXTURE in ast.unparse(each) for each in found.decorator_list):
        return None
    return Probe("module", "", one_test.MODULE, (code.path, name, *probe.arguments), probe.folder)


def _function(body: Sequence[ast.stmt], names: Sequence[str]) -> ast.FunctionDef | None:
    """The function of a qualified name, in a module or in classes."""
    found = next((n for n in body if isinstance(n, ast.ClassDef | ast.FunctionDef) and n.name == names[0]), None)
    if isinstance(found, ast.ClassDef):
        return _function(found.body, names[1:]) if names[1:] else None
    return found if found is not None and not names[1:] else None


def _is_prepared(path: Path) -> bool:
    """True if a `conftest.py` above a test file prepares every test."""
    found = (folder / "conftest.py" for folder in path.parents)
    return any(_PREPARED.search(each.read_text(errors="replace")) for each in found if each.is_file())


@dataclass(frozen=True)
class Suite:
    """A lab for one test of a command: what is proved of the test is proved if the command passes."""

    runner: Runner
    command: Probe

    def judge(self, case: Case, marks: tuple[Mark, ...]) -> Judgement:
        """Rule on rewritten texts."""
        judgement = self.runner.judge(case, marks)
        if judgement.ruling.verdict is not Verdict.PROVED:
            return judgement
        return replace(judgement, ruling=_passed(judgement.ruling, self._whole(case.rewritten)))

    def alone(self, case: Case) -> Ruling:
        """Refute rewritten texts in which other culprits may remain."""
        return self.runner.alone(case)

    def trace(self, probe: Probe, texts: Texts) -> Trace | str:
        """The offences of a version; a sentence where it could not be traced."""
        return self.runner.trace(probe, texts)

    def _whole(self, texts: Texts) -> Run:
        whole = self.command
        return self.runner.run(Job(whole.kind, whole.path, whole.name, texts, whole.arguments, whole.folder))


def _passed(ruling: Ruling, run: Run) -> Ruling:
    """A proof, if a run of the whole command says so as well."""
    if run.finished and not run.exit and not is_broken(run):
        evidence = tuple(replace(each, runs=each.runs + 1, notes=(*each.notes, _NOTE)) for each in ruling.evidence)
        return replace(ruling, evidence=evidence)
    how = f"leaves with exit code {run.exit}" if run.exit else "does not come to its end"
    sentence = f"the test by itself is right, and the whole command {how} on the patched files"
    return replace(ruling, verdict=Verdict.UNPROVED, reason="probe-failed", sentence=sentence)
