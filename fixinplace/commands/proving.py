"""What is run to prove the fixes of a file, and the runner that all files share.

Note [What runs without being told]
    Nothing but the probes that `--probe` or the configuration names, and files that have a fix to prove: as scripts
    where they have a `__main__` guard, and with made inputs for what that does not reach.  All of it only in a sandbox;
    `--allow-run` lets resource limits do.  `--scope broken` asks what breaks, so there every file with a guard is run.
"""

from __future__ import annotations

import ast
import glob
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import TYPE_CHECKING

from fixinplace import config, files, imports, pipeline
from fixinplace.commands import own_tests
from fixinplace.commands.cache import Cache
from fixinplace.commands.making import Made, Maker, told
from fixinplace.commands.recorded import Recordings
from fixinplace.config import BadConfig, Config
from fixinplace.model import Fix, Ruling, Verdict
from fixinplace.pipeline import Proof, Prover
from fixinplace.source import Source

if TYPE_CHECKING:
    from fixinplace.record.store import Recording
    from fixinplace.trace.events import Trace
    from fixinplace.verify.jobs import Patch
    from fixinplace.verify.probes import Probe
    from fixinplace.verify.runner import Runner


Company = Mapping[Path, tuple[str, str]]
"""Other files by absolute path: their texts before and after."""


@dataclass(frozen=True, slots=True)
class Proving:
    """The options about running: probes by name, seconds per run, and whether limits alone are enough.

    inputs: make inputs for what no other probe reaches. cache: where found ones are kept; None keeps nothing.
    sandbox: where there is none, that is an error.
    scripts: every file with a `__main__` guard is run for what it imports, also one that has nothing to fix itself.
    """

    probes: tuple[str, ...] = ()
    timeout: float = 60.0
    allow_run: bool = False
    inputs: bool = False
    cache: Path | None = None
    sandbox: bool = False
    scripts: bool = False


@dataclass(frozen=True, slots=True)
class _Told:
    rulings: Mapping[int, Ruling]
    written: frozenset[int]


def _unmet(ruling: Ruling) -> bool:
    """True where another probe may say more: nothing has run the edited code to its end."""
    return ruling.reason in ("no-probe", "not-reached", "no-gradient", "needs-package", "probe-failed", "timed-out")


_OF_A_PROBE = ("nondeterministic", "no-forward-reference", "no-gradient", "timed-out", "over-memory", "probe-failed")
"""Reasons that a whole probe is unproved for."""


def _gain(proof: Proof) -> tuple[int, int]:
    return sum(each.verdict is Verdict.PROVED for each in proof.rulings.values()), len(proof.written)


def _is_of_a_probe(group: int, ruling: Ruling, made: Made) -> bool:
    """True where a probe reaches the group, and says nothing for the sake of what else it runs."""
    return ruling.reason in _OF_A_PROBE or (ruling.reason == "not-reached" and group not in made.lacking)


class Provers:
    """Hands out a prover per file; the one runner starts with the first proof and ends with `close`.

    made: probes with made inputs that have been used. unused: why recorded calls have not been.
    sources: the files of this call, among which a script with a guard may be the probe of what it imports.
    running: called before every run.
    """

    def __init__(
        self, proving: Proving, sources: Sequence[Source] = (), running: Callable[[], None] = lambda: None
    ) -> None:
        self._proving = proving
        self._tell = running
        self._sources = {Path(source.path).absolute(): source for source in sources}
        self._named: dict[tuple[Path, str], tuple[Probe, ...]] = {}
        self._runner: Runner | None = None
        self._recordings = Recordings()
        self.made: list[Probe] = []
        self.unused: list[str] = []

    def prover(self, source: Source, config: Config, company: Company = MappingProxyType({})) -> Prover | None:
        """The prover for one file, or None if there is nothing to run; raises BadConfig for a bad probe.

        And where a sandbox is required and there is none.
        company: other files that this run patches as well, with their texts before and after.
        """
        path = Path(source.path).absolute()
        probes = self.probes(source, config)
        if not probes and not (self._proving.inputs and source.path != "-"):
            return None
        if self._proving.sandbox:
            self._running()
        recording = self._recordings.of(path, config) if self._proving.inputs and source.path != "-" else None

        def prove(source: Source, fixes: Sequence[Fix]) -> Proof:
            from fixinplace.verify import search

            def proof(probes: Sequence[Probe], unsettled: Mapping[int, str] = MappingProxyType({})) -> Proof:
                runner = self._running()
                runner.import_paths = recording.import_paths() if recording is not None else ()
                return search.prove(source.part.text, str(path), fixes, probes, runner, company, unsettled)

            first = proof(probes) if probes else None
            if not self._proving.inputs or (first is not None and not any(map(_unmet, first.rulings.values()))):
                assert first is not None
                return first
            return self._with_inputs(source, fixes, probes, proof, first, recording)

        return prove

    def _with_inputs(
        self,
        source: Source,
        fixes: Sequence[Fix],
        probes: Sequence[Probe],
        proof: Callable[[Sequence[Probe], Mapping[int, str]], Proof],
        first: Proof | None,
        recording: Recording | None,
    ) -> Proof:
        """The proof with probes made for what the given ones do not reach."""
        root = own_tests.project(Path(source.path).absolute())
        self._running().import_paths = recording.import_paths() if recording is not None else ()
        wanted = [fix for fix in fixes if first is None or _unmet(first.rulings[fix.group])]
        made = self._maker.make(source, wanted, root, recording)
        found = proof((*probes, *made.probes), made.unsettled) if made.probes or first is None else first
        if made.cached and any(ruling.reason == "probe-failed" for ruling in found.rulings.values()):
            made = Maker(self._running(), Cache(None)).make(source, wanted, root, recording)  # its imports have changed
            found = proof((*probes, *made.probes), made.unsettled)
        if made.apart != made.probes and any(_is_of_a_probe(*each, made) for each in found.rulings.items()):
            apart = proof(
                (*probes, *made.apart), made.unsettled
            )  # what one class cannot be proved for must not cost the others
            found = max(found, apart, key=_gain)
        self.made += [probe for probe in made.probes if probe.text and probe not in self.made]
        self.unused += [f"{source.path}: {why}" for why in made.unused]
        return _Told(told(dict(found.rulings), made), found.written)

    @cached_property
    def _maker(self) -> Maker:
        return Maker(self._running(), Cache(self._proving.cache))

    def check(self, configs: Sequence[Config]) -> None:
        """Raise BadConfig for a probe that does not exist, and where a sandbox is required and there is none."""
        named = [(word, Path.cwd()) for word in self._proving.probes]
        named = named or [(word, config.root) for config in configs for word in config.probes]
        for word, base in named:
            if word.partition("::")[0]:
                self._parse(word, base)
        if self._proving.sandbox:
            self._running()

    def recorded(self, inputs: Iterable[tuple[str, Config]]) -> list[str]:
        """Read the recordings that hold for all these files; sentences about what they name in vain.

        Raises BadConfig for a file that is no recording, before anything has been done.
        """
        return self._recordings.check(inputs) if self._proving.inputs else []

    def trace(self, probe: Probe, texts: tuple[Patch, ...]) -> Trace | str:
        """What the tracer tells of a version, or a sentence why nothing.  Raises BadConfig without a sandbox."""
        runner = self._running()
        if runner.problem is not None:
            raise BadConfig(f"--scope broken has to run the code: {runner.problem[1]}")
        return runner.trace(probe, texts)

    def made_for(self, source: Source, fixes: Sequence[Fix], config: Config) -> tuple[Probe, ...]:
        """Probes with recorded or made inputs for what these fixes edit; none if inputs are not to be made."""
        if not self._proving.inputs or source.path == "-" or not fixes:
            return ()
        path = Path(source.path).absolute()
        recording = self._recordings.of(path, config)
        self._running().import_paths = recording.import_paths() if recording is not None else ()
        return self._maker.make(source, fixes, own_tests.project(path), recording).probes

    def turn_to(self, scripts: Mapping[Path, frozenset[PurePath]]) -> None:
        """Go on to other files, run by these scripts: each with what it imports."""
        self._scripts = dict(scripts)
        self.made.clear()
        self.unused.clear()

    def close(self) -> None:
        """End the runner and every process of it."""
        if self._runner is not None:
            self._runner.close()

    def _running(self) -> Runner:
        from fixinplace.verify.jobs import Limits
        from fixinplace.verify.runner import Runner

        if self._runner is None:
            self._runner = Runner(Limits(seconds=self._proving.timeout), self._proving.allow_run, running=self._tell)
            problem = self._runner.problem if self._proving.sandbox else None
            if problem is not None and problem[0] == "no-sandbox":
                raise BadConfig(f"--require-sandbox: {problem[1].partition(':')[0]}")
        return self._runner

    def probes(self, source: Source, config: Config) -> tuple[Probe, ...]:
        """Probes of the command line, else those of the configuration, else the file itself if it has a guard.

        A file without any is run by the scripts of this call that would be run for themselves and import it.
        None for a source without a name; raises BadConfig for a probe that does not exist.
        """
        from fixinplace.verify import probes

        if source.path == "-":
            return ()
        path = Path(source.path).absolute()
        words, base = (self._proving.probes, Path.cwd()) if self._proving.probes else (config.probes, config.root)
        named = [probe for word in words for probe in self._apply(word, base, path, source)]
        if not named and not self._proving.probes and has_guard(source):
            return (probes.script(path),)
        if not named and not self._proving.probes:
            return tuple(probes.script(script) for script, files in self._scripts.items() if path in files)
        return tuple(dict.fromkeys(named))

    @cached_property
    def _scripts(self) -> dict[Path, frozenset[PurePath]]:
        """Scripts of this call with a guard and something to fix, and what they import."""
        trees = {path: _tree(source) for path, source in self._sources.items()}
        runs = has_guard if self._proving.scripts else is_script
        found = {path: source for path, source in self._sources.items() if runs(source)}
        return {path: imports.reachable(path, lambda at: trees.get(Path(at))) for path in found}

    def _apply(self, word: str, base: Path, path: Path, source: Source) -> tuple[Probe, ...]:
        """What one word means for one file; a pattern with a function means that function of each file that matches."""
        from fixinplace.verify.probes import Probe

        file, _, name = word.partition("::")
        if not file:
            return (Probe("callable", str(path), name),) if name in _functions(source) else ()
        found = self._parse(word, base)
        return tuple(probe for probe in found if probe.path == str(path)) if name and glob.has_magic(file) else found

    def _parse(self, word: str, base: Path) -> tuple[Probe, ...]:
        from fixinplace.verify import probes

        if (base, word) not in self._named:
            script = (base / word).absolute()
            try:
                self._named[base, word] = probes.parse(word, base)
            except probes.ProbeError as error:
                source = files.read(str(script)) if "::" not in word else None
                if not isinstance(source, Source) or not has_guard(source):
                    raise BadConfig(str(error)) from error
                self._named[base, word] = (probes.script(script),)
        return self._named[base, word]


def _tree(source: Source) -> ast.Module | None:
    try:
        return ast.parse(source.part.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None  # reported as FIP901 by the analysis; there is nothing to run


def has_guard(source: Source) -> bool:
    """True if a file does something only where it is run as a script."""
    from fixinplace.verify.probes import has_main_guard

    tree = _tree(source) if "__main__" in source.part.text else None
    return tree is not None and has_main_guard(tree)


def is_script(source: Source) -> bool:
    """True if a file is run for itself, and for what it imports: it has a guard and something to fix."""
    if not has_guard(source):
        return False
    return bool(pipeline.fixes(pipeline.analyse(source, config.selected((), ())).findings))


def _functions(source: Source) -> frozenset[str]:
    """Functions of the file that can be called without arguments."""
    from fixinplace.verify.probes import needs_arguments

    tree = _tree(source)
    body = tree.body if tree is not None else []
    return frozenset(node.name for node in body if isinstance(node, ast.FunctionDef) and not needs_arguments(node))
