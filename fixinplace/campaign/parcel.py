"""What the nodes of a cluster get of this machine, as content: one archive, known by its digest.

Note [What is shipped]
    fixinplace itself; and of every project that a file or a probe of the campaign lies in, and of every folder that
    this Python finds modules in beside what is installed (a project installed to be edited, `PYTHONPATH`), the Python
    files, notebooks, extension modules and small files of settings and text.  Not shipped: the interpreter and what is
    installed, which a node has to have in the same versions; weights, images and other data, files beyond the limits
    below, whatever is hidden (but for a root's `.git`, an empty folder that marks it), environments and caches; links
    are shipped as what they lead to, folders behind them are not.  A program that wants what is not there ends in an
    error, so it is not proved: less is written than on one machine, never more.
    A file keeps its absolute path below the folder that a node unpacks into, so a path is moved by a prefix, and moved
    back by its removal.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fixinplace.campaign.engines import Tree
from fixinplace.campaign.ray_boot import TOOL, TREE
from fixinplace.commands import own_tests
from fixinplace.config import BadConfig
from fixinplace.verify.ownership import is_foreign

_CODE = (".py", ".pyi", ".ipynb", ".so")
_TEXT = (".cfg", ".csv", ".ini", ".json", ".toml", ".tsv", ".txt", ".yaml", ".yml")
_LIMITS = dict.fromkeys(_CODE, 16 << 20) | dict.fromkeys(_TEXT, 1 << 20)
_ALL = 256 << 20
_LEFT_OUT = ("__pycache__", "build", "dist", "env", "node_modules", "site-packages", "venv")


@dataclass(frozen=True, slots=True)
class Parcel:
    """An archive and its SHA-256; paths: folders in it, as they are called here, that modules are found in."""

    data: bytes
    digest: str
    paths: tuple[str, ...]


def pack(tree: Tree) -> Parcel:
    """Everything in one archive, the same bytes for the same content.  Raises BadConfig where it is too much."""
    own = Path(__file__).parents[1]
    probes = [path for base, word in tree.probes for path in _files_of(base, word)]
    here = {Path(path).absolute() for path in tree.files}
    paths = [path for path in _import_paths() if path != own.parent]
    roots = _outermost({*(own_tests.project(each) for each in _first_in_folder((*here, *probes))), *paths})
    found = {path for root in roots for path in _walk(root)}
    found |= {path for path in (*here, *probes) if _is_file(path)}
    entries = {f"{TREE}{path}": path for path in found if path.suffix in _LIMITS or path in here}
    entries |= {f"{TOOL}/{path.relative_to(own.parent)}": path for path in own.rglob("*") if _is_of_the_tool(path)}
    marks = [f"{TREE}{root}/.git" for root in roots if (root / ".git").exists()]
    data = gzip.compress(_archive(entries, [*marks, f"{TREE}{Path.cwd()}"]), 1, mtime=0)
    return Parcel(data, hashlib.sha256(data).hexdigest(), tuple(map(str, paths)))


def _archive(entries: dict[str, Path], folders: Iterable[str]) -> bytes:
    held, size = io.BytesIO(), 0
    with tarfile.open(fileobj=held, mode="w") as archive:
        for name in sorted(folders):
            made = tarfile.TarInfo(name)
            made.type = tarfile.DIRTYPE
            archive.addfile(made)
        for name, path in sorted(entries.items()):
            try:
                data = path.read_bytes()
            except OSError:
                continue  # of a file of the campaign, its own report says so; others are not there for a program either
            size += len(data)
            if size > _ALL:
                raise BadConfig(f"--engine ray: more than {_ALL >> 20} MB of sources would be shipped, from {path} on")
            made = tarfile.TarInfo(name)
            made.size = len(data)
            archive.addfile(made, io.BytesIO(data))
    return held.getvalue()


def _walk(root: Path) -> Iterator[Path]:
    """Files below a root that are shipped."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(each for each in folders if not _is_left_out(Path(folder, each)))
        for name in names:
            path = Path(folder, name)
            limit = -1 if name.startswith(".") else _LIMITS.get(path.suffix, -1)
            if limit > 0 and _is_file(path) and path.stat().st_size <= limit:
                yield path


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - no error for a folder that is closed


def _is_left_out(folder: Path) -> bool:
    return folder.name.startswith(".") or folder.name in _LEFT_OUT or _is_file(folder / "pyvenv.cfg")


def _is_of_the_tool(path: Path) -> bool:
    return path.is_file() and path.parent.name != "__pycache__"


def _first_in_folder(paths: Iterable[Path]) -> Iterable[Path]:
    """One path of every folder: the others lie in the same project."""
    return {path.parent: path for path in paths}.values()


def _outermost(folders: set[Path]) -> list[Path]:
    """The folders that lie in no other one."""
    return sorted(each for each in folders if folders.isdisjoint(each.parents))


def _files_of(base: str, word: str) -> list[Path]:
    """The files that a probe names."""
    pattern = word.partition("::")[0]
    if not pattern:
        return []
    anchor, rest = (Path("/"), pattern.lstrip("/")) if Path(pattern).is_absolute() else (Path(base), pattern)
    return [Path(os.path.normpath(path)) for path in anchor.absolute().glob(rest)]


def _import_paths() -> list[Path]:
    """Folders that a worker here would find modules in, beside those of the interpreter and of installed packages."""
    code = "import json, sys; print(json.dumps(sys.path))"
    answer = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, check=True).stdout
    found = (Path(each).absolute() for each in json.loads(answer) if each)
    return [each for each in found if each.is_dir() and not is_foreign(f"{each}/")]
