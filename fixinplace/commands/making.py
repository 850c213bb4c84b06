"""Probes with made inputs for the fixes of a file: looked for once, kept in the cache, put together to few runs.

Note [What is put together]
    Every run imports the file anew, so the calls of several classes share a probe.  A class whose own run dies of a
    write takes nothing else along: its probe is its own, and so is its reference.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from fixinplace import __version__
from fixinplace.commands import own_tests
from fixinplace.commands.cache import Cache
from fixinplace.commands.recorded import replays
from fixinplace.commands.watched import Watched
from fixinplace.inputs import snippet
from fixinplace.inputs.units import Home, homes
from fixinplace.model import Fix, Ruling, Span, Verdict
from fixinplace.source import Source

if TYPE_CHECKING:
    from fixinplace.record.store import Recording
    from fixinplace.verify.jobs import Found, Patch, Replay, Unit
    from fixinplace.verify.probes import Probe
    from fixinplace.verify.runner import Runner

SECONDS = 5.0
"""What the search for one class or function may take."""
_CALLS = 24


@dataclass(frozen=True)
class Made:
    """Probes for a file, and for the groups without any why there is none: a reason and a sentence.

    apart: the same with one probe for each class or function.
    unsettled: groups that made inputs cannot prove, and why; see Note [Kept in a branch] in `detect/keepers.py`.
    unused: why recorded calls were not used.
    """

    probes: tuple[Probe, ...] = ()
    apart: tuple[Probe, ...] = ()
    lacking: dict[int, tuple[str, str]] = dataclasses.field(default_factory=dict)
    unsettled: dict[int, str] = dataclasses.field(default_factory=dict)
    unused: tuple[str, ...] = ()
    cached: bool = False


class Maker:
    """Looks for inputs with a runner; `cache` keeps what was found."""

    def __init__(self, runner: Runner, cache: Cache, seconds: float = SECONDS) -> None:
        self._runner = runner
        self._cache = cache
        self._seconds = seconds

    def make(
        self, source: Source, fixes: Sequence[Fix], root: Path | None = None, recording: Recording | None = None
    ) -> Made:
        """Probes for all that the fixes edit; root: of the project, whose tests may reach what nothing else does.

        recording: calls that are replayed before inputs are made.
        """
        from fixinplace.verify import search
        from fixinplace.verify.jobs import Patch

        text = source.part.text
        try:
            _, marks = search.rewrite(text, fixes)
        except SyntaxError:
            return Made()
        edited = tuple(dict.fromkeys(region for mark in marks for region in mark.original))
        spans = [Span(region.start, region.end) for region in edited]
        of_group = {mark.group: {edited.index(region) for region in mark.original} for mark in marks}
        watched = Watched(fixes, len(edited))
        tree = ast.parse(text)
        found_homes = watched.at(source.part, tree, homes(tree, source.part, spans), of_group)
        regions = (*edited, *watched.regions)
        if not found_homes:
            return Made(lacking=dict.fromkeys(of_group, ("no-probe", _NO_HOME)))
        path = str(Path(source.path).absolute())
        texts = (Patch(path, text),)
        units = _units(found_homes, replays(recording, Path(path)))
        key = _key(texts, units)
        found, cached = self._kept(key), True
        if found is None:
            looked, cached = self._look(texts, units, regions), False
            if isinstance(looked, tuple) and looked and isinstance(looked[0], str):
                reason, sentence = looked
                return Made(lacking={group: (str(reason), str(sentence)) for group in of_group})
            found = [each for each in looked if not isinstance(each, str)]
            self._cache.put(key, [dataclasses.asdict(each) for each in found])
        probes = _probes(path, source.path, found)
        apart = tuple(probe for each in found for probe in _probes(path, source.path, [each]))
        unused = tuple(why for each in found for why in each.unused)
        lacking = _lacking(of_group, found_homes, found)
        if lacking and root is not None:
            wanted = frozenset().union(*(of_group[group] for group in lacking))
            tests = own_tests.probes(Path(path), root, [each.name for each in found_homes])
            more, reached = own_tests.reaching(self._runner, tests, texts, regions, wanted)
            probes += tuple(more)
            apart += tuple(more)
            lacking = {group: why for group, why in lacking.items() if not of_group[group] & reached}
        unsettled = watched.unsettled(source.part, found)
        return Made(probes, apart, lacking, unsettled, unused, cached)

    def _kept(self, key: str) -> list[Found] | None:
        from fixinplace.verify.jobs import found_of

        rows = self._cache.get(key)
        if rows is None:
            return None
        try:
            return [found_of(row) for row in rows]
        except (TypeError, KeyError):
            return None  # written by another version, or by hand

    def _look(
        self, texts: tuple[Patch, ...], units: tuple[Unit, ...], regions: tuple[object, ...]
    ) -> tuple[Found, ...] | tuple[str, str]:
        from fixinplace.verify.jobs import Find
        from fixinplace.verify.runner import Failed

        looked = self._runner.find(texts, Find(units, self._seconds), regions)  # type: ignore[arg-type]
        return (looked.reason, looked.sentence) if isinstance(looked, Failed) else looked


_NO_HOME = "what is edited lies in no class and no function that could be run with made inputs"


def _units(found_homes: Sequence[Home], calls: Sequence[Replay]) -> tuple[Unit, ...]:
    """What is looked for; a call belongs to the class or function at the top of the file that its name begins with."""
    from fixinplace.verify.jobs import Unit

    return tuple(
        Unit(
            each.name,
            each.ways,
            each.spans,
            each.lines,
            tuple(call for call in calls if call.name.partition(".")[0] == each.name),
        )
        for each in found_homes
    )


def _key(texts: Sequence[Patch], units: Sequence[Unit]) -> str:
    """Content, what is looked for, and the versions that decide what is found."""
    digest = hashlib.blake2b(digest_size=20)
    for part in (__version__, metadata.version("torch"), *(text for _, text in texts), repr(units)):
        digest.update(part.encode(errors="surrogatepass") + b"\0")
    return digest.hexdigest()


def _probes(path: str, shown: str, found: Sequence[Found]) -> tuple[Probe, ...]:
    whole = [each for each in found if each.bodies and not each.broken]
    parts: list[list[Found]] = []
    for each in whole:
        if not parts or sum(len(one.bodies) for one in parts[-1]) + len(each.bodies) > _CALLS:
            parts.append([])
        parts[-1].append(each)
    parts += [[each] for each in found if each.bodies and each.broken]
    replayed = (each for each in found if each.recorded)
    recorded = (_probe(path, shown, [each.unit], each.recorded, recorded=True) for each in replayed)
    made = (_probe(path, shown, [each.unit for each in part], [body for each in part for body in each.bodies])
            for part in parts)  # fmt: skip
    return (*recorded, *made)


def _probe(path: str, shown: str, units: Sequence[str], bodies: Sequence[str], recorded: bool = False) -> Probe:
    from fixinplace.verify.probes import Probe

    names = ", ".join(dict.fromkeys(units))
    note = f"Runs {names} of {Path(shown).name} with {'recorded calls' if recorded else 'made inputs'}."
    return Probe("made", path, names, text=snippet.text(bodies, note), recorded=recorded)


def _lacking(
    of_group: dict[int, set[int]], found_homes: Sequence[Home], found: Sequence[Found]
) -> dict[int, tuple[str, str]]:
    by_name = {each.unit: each for each in found}
    lacking: dict[int, tuple[str, str]] = {}
    for group, regions in of_group.items():
        for home in found_homes:
            each = by_name.get(home.name)
            missed = regions & set(home.spans) - set(each.reached if each is not None else ())
            if missed and each is not None:
                lacking[group] = _reason(each)
                break
    return lacking


def _reason(found: Found) -> tuple[str, str]:
    """The reason and the sentence for what no made input reaches."""
    from fixinplace.verify.errors import needs_gpu

    if found.missing:
        package = found.missing.partition(".")[0]
        return "needs-package", f"`{found.unit}` uses {package}, which is not installed"
    if needs_gpu(found.error):
        return "needs-gpu", f"`{found.unit}` needs a GPU: {found.error}"
    why = found.error or "what it runs does not come by the code that is edited"
    first = f"{found.unused[0]}; " if found.unused else ""
    return "no-probe", f"{first}made inputs do not reach it: `{found.unit}`, {found.tries} tries, at last: {why}"


_NOT_RUN = (Verdict.UNPROVED, Verdict.SAFE)


def told(rulings: dict[int, Ruling], made: Made) -> dict[int, Ruling]:
    """Rulings that say, for what no probe has run, what was tried."""
    result = dict(rulings)
    for group, (reason, sentence) in made.lacking.items():
        ruling = rulings.get(group)
        if ruling is not None and ruling.verdict in _NOT_RUN and ruling.reason in ("no-probe", "not-reached"):
            result[group] = dataclasses.replace(ruling, reason=reason, sentence=sentence)
    return result


def shown(probes: Sequence[Probe]) -> list[str]:
    """The probes as files that run by themselves."""
    lines: list[str] = []
    for probe in probes:
        head, separator, rest = probe.text.partition("import torch\n")
        folder, name = imported_as(Path(probe.path))
        lines += [f"# probe for {probe.path}: put {folder} on the import path, then call probe()"]
        lines += (head + separator + f"import {name} as target\n" + rest).splitlines()
    return lines


def imported_as(path: Path) -> tuple[Path, str]:
    """The folder that must be on the import path, and the name under which the file is imported from there."""
    names, folder = [path.stem], path.parent
    while (folder / "__init__.py").exists():
        names.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(names[:-1] if path.stem == "__init__" and len(names) > 1 else names)
