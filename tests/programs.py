"""What the tests of verification share: a program in a file, one edit of it, and what the runner says."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path

from fixinplace.model import Edit, Fix, Span
from fixinplace.verify.bench import Case, Judgement
from fixinplace.verify.jobs import Patch
from fixinplace.verify.probes import Probe, parse, script
from fixinplace.verify.runner import Runner
from fixinplace.verify.search import rewrite


def fix(text: str, old: str, new: str, group: int = 0, safe: bool = False, parameter: str | None = None) -> Fix:
    """A fix that replaces the one place where `old` stands."""
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
    start = text.index(old)
    return Fix(group, "test", "", (Edit(Span(start, start + len(old)), new),), safe, parameter)


@dataclass(frozen=True)
class Program:
    """A program on disk; `probe` runs it."""

    path: Path
    text: str
    probe: Probe

    def judge(self, runner: Runner, old: str, new: str) -> Judgement:
        """What the runner says about replacing `old` by `new`."""
        rewritten, marks = rewrite(self.text, [fix(self.text, old, new)])
        return runner.judge(self.case(rewritten), marks)

    def case(self, rewritten: str) -> Case:
        """The program and another text of it."""
        return Case(self.probe, (Patch(str(self.path), self.text),), (Patch(str(self.path), rewritten),))


def program(folder: Path, text: str, name: str = "program.py") -> Program:
    """A script, or, where the text defines `main`, a callable."""
    path = folder / name
    path.write_text(textwrap.dedent(text).lstrip("\n"))
    callable_ = "def main(" in text
    probe = parse(f"{name}::main", folder)[0] if callable_ else script(path)
    return Program(path, path.read_text(), probe)
