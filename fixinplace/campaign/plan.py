"""The plan of a campaign: which files, in which state, under which configuration; and which have to go together.

Note [Shards]
    A shard takes the units whose first file's path hashes to it (SHA-256, so every machine agrees).  Dealing out a
    sorted list would be more even, but one new file would then move every file behind it to another shard, with all
    that a cache or a reviewer remembers; a hash moves nothing.  What goes together is known only when all files have
    been looked at, so every shard looks at all files wherever something is run, which costs little beside a proof; each
    judges its own.
"""

from __future__ import annotations

import ast
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from fixinplace import config, files, imports
from fixinplace.commands.inputs import Selection, enabled
from fixinplace.commands.proving import Provers, Proving
from fixinplace.config import BadConfig, Config
from fixinplace.source import Source

if TYPE_CHECKING:
    from fixinplace.verify.probes import Probe

Json = dict[str, Any]


def planned(selection: Selection) -> tuple[list[Json], list[Json]]:
    """Configurations, and a record of every file in the order of its path; raises BadConfig.

    A record has `path`, `digest` (null for what cannot be read) and `config`, its place in the list of configurations;
    for a folder that could not be walked also `trouble`.
    """
    if "-" in selection.paths:
        raise BadConfig("`migrate` works on files and folders; `fix -` takes standard input")
    config.selected(selection.select, selection.ignore)
    nearest = config.Nearest(selection.config)
    found, problems = files.discover(selection.paths, nearest.excludes)
    known: dict[int, int] = {}
    configs: list[Config] = []
    records: list[Json] = [
        {"path": each.path, "digest": None, "config": 0, "trouble": each.message} for each in problems
    ]
    for path in found:
        own = nearest(path)
        if id(own) not in known:
            known[id(own)] = len(configs)
            configs.append(own)
        records.append({"path": path, "digest": files.digest(path), "config": known[id(own)]})
    records.sort(key=lambda record: Path(record["path"]).parts)
    return [_config(each, selection) for each in configs], records


def _config(own: Config, selection: Selection) -> Json:
    chosen = enabled(selection, own)
    return {
        "root": str(own.root),
        "probes": list(own.probes),
        "recorded": own.recorded,
        "enabled": sorted(chosen),
    }


def configurations(configs: Iterable[Json]) -> list[Config]:
    """The configurations of a plan, as far as they say what is run."""
    return [
        Config(Path(each["root"]), probes=tuple(each["probes"]), recorded=each.get("recorded", "")) for each in configs
    ]


# --- what goes together


def units(
    fixable: Mapping[str, tuple[int, Config, bool]], every: Iterable[str], proving: Proving
) -> list[tuple[list[int], Json]]:
    """Files that one probe runs are a unit, any other file is its own; see Note [In company] in `together.py`.

    fixable: path → number, configuration, and whether it is a script that is run for itself.  every: all paths of the
    call. Returns numbers of files, and for each unit the scripts in it with what they import.  Raises BadConfig.
    """
    scripts = _imported([path for path, (_, _, script) in fixable.items() if script], every)
    homes: dict[int, int] = {number: number for number, _, _ in fixable.values()}

    def home(number: int) -> int:
        while homes[number] != number:
            homes[number] = number = homes[homes[number]]
        return number

    provers = Provers(proving)
    provers.turn_to(scripts)
    first: dict[Probe, int] = {}
    for path, (number, own, _) in fixable.items():
        source = files.read(path)
        for probe in provers.probes(source, own) if isinstance(source, Source) else ():
            one, other = sorted((home(number), home(first.setdefault(probe, number))))
            homes[other] = one
    members: dict[int, list[str]] = defaultdict(list)
    for path, (number, _, _) in fixable.items():
        members[home(number)].append(path)
    return [
        ([fixable[path][0] for path in paths], {"scripts": _within(scripts, paths)})
        for _, paths in sorted(members.items())
    ]


def _within(scripts: Mapping[Path, frozenset[PurePath]], paths: list[str]) -> dict[str, list[str]]:
    """The scripts among some files, each with what it imports of them."""
    here = [Path(path).absolute() for path in paths]
    return {str(each): [str(path) for path in here if path in scripts[each]] for each in here if each in scripts}


def _imported(scripts: Iterable[str], every: Iterable[str]) -> dict[Path, frozenset[PurePath]]:
    """Each script with the files of the call that it imports; of a file only its imports are kept in memory."""
    trees: dict[PurePath, ast.Module | None] = {}
    here = {Path(path).absolute() for path in every}

    def tree_of(path: PurePath) -> ast.Module | None:
        if path not in here:
            return None
        if path not in trees:
            trees[path] = _imports_of(str(path))
        return trees[path]

    return {path: imports.reachable(path, tree_of) for path in (Path(each).absolute() for each in scripts)}


def _imports_of(path: str) -> ast.Module | None:
    source = files.read(path)
    if not isinstance(source, Source):
        return None
    try:
        tree = ast.parse(source.part.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None  # its own report says so; nothing is imported from it
    body: list[ast.stmt] = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    return ast.Module(body, [])


# --- shards


def parse_shard(text: str | None) -> tuple[int, int]:
    """`2/5` as 2, 5; everything as 1, 1; raises BadConfig."""
    left, _, right = (text or "1/1").partition("/")
    if not (left.isdecimal() and right.isdecimal() and 1 <= int(left) <= int(right)):
        raise BadConfig(f"--shard {text}: I/N, the number of this shard and of all, such as 1/4")
    return int(left), int(right)


def in_shard(path: str, shard: tuple[int, int]) -> bool:
    """True if a unit whose first file has this path belongs to the shard."""
    digest = hashlib.sha256(Path(path).as_posix().encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:8]) % shard[1] == shard[0] - 1
