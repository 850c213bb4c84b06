"""The only module that touches the user's files: discovery, reading, writing.

Note [What is walked]
    A file that is named is always taken.  A folder is walked for `*.py`, in name order, without following
    links to folders, so a loop of links cannot be entered.  Left out are the usual folders of tools and
    builds, what `exclude` of the configuration names, and what git ignores: the `.gitignore` of every
    folder from the repository's root down, the deepest one that says anything decides.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pathspec import GitIgnoreSpec

from fixinplace import source
from fixinplace.model import Problem

DEFAULT_EXCLUDES = frozenset(
    (".bzr", ".direnv", ".eggs", ".git", ".hg", ".ipynb_checkpoints", ".mypy_cache", ".nox", ".pants.d", ".pyenv",
     ".pytest_cache", ".pytype", ".ruff_cache", ".svn", ".tox", ".venv", ".vscode", "__pycache__", "__pypackages__",
     "_build", "buck-out", "build", "dist", "node_modules", "site-packages", "venv")
)  # fmt: skip


DECIDING = (".git", ".gitignore", "pyproject.toml")
"""What stands in a folder, or above it, and decides which files are taken and what holds for them."""


class NotWritten(OSError):
    """A change was not made; the message is one sentence, and nothing on the disk differs."""


@dataclass(frozen=True, slots=True)
class Change:
    """New bytes for a file, and the SHA-256 of the bytes that they were made from."""

    path: str
    digest: str
    data: bytes


# --- discovery


def shown(path: str | Path) -> str:
    """The path as reports print it: relative to the working directory if it lies below it."""
    absolute = os.path.normpath(Path(path).absolute())
    relative = os.path.relpath(absolute)
    return absolute if relative.startswith(os.pardir + os.sep) else relative


def discover(
    paths: Iterable[str],
    excluded: Callable[[Path], bool] = lambda _: False,
    walked: list[Path] | None = None,
) -> tuple[list[str], list[Problem]]:
    """Python files under `paths`, each once, in the order of their paths; and what could not be walked.

    `excluded` is asked for every entry below a folder, never for what the caller named.
    walked: gets the folders that were looked into.
    """
    walked = [] if walked is None else walked
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for path in paths:
        entries = _walk(Path(path), excluded, problems, walked) if os.path.isdir(path) else iter((Path(path),))  # noqa: PTH112
        for entry in entries:
            found.setdefault(os.path.realpath(entry), shown(entry))
    return sorted(found.values(), key=lambda name: Path(name).parts), problems


def _walk(root: Path, excluded: Callable[[Path], bool], problems: list[Problem], walked: list[Path]) -> Iterator[Path]:
    """Python files below `root`, real files before links to them, so that a file keeps its own name."""
    links: list[Path] = []
    pending = [(root, _ignores_above(root))]
    while pending:
        folder, above = pending.pop()
        walked.append(folder)
        ignores = (*above, *_ignore_file(folder))
        folders: list[Path] = []
        for entry in _entries(folder, problems):
            path = folder / entry.name
            is_folder = entry.is_dir(follow_symlinks=False)
            if _is_left_out(path, is_folder, ignores) or excluded(path):
                continue
            if is_folder:
                folders.append(path)
            elif path.suffix == ".py" and path.is_file():
                if entry.is_symlink():
                    links.append(path)
                else:
                    yield path
        pending += [(path, ignores) for path in reversed(folders)]
    yield from links


def _entries(folder: Path, problems: list[Problem]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        problems.append(unreadable(shown(folder), _reason(error)))
        return []


Ignore = tuple[Path, GitIgnoreSpec]


def _ignore_file(folder: Path) -> Iterator[Ignore]:
    """The ignore file of one folder, with the folder that its patterns are relative to."""
    try:
        lines = (folder / ".gitignore").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # absent, a folder, or not ours to read: git itself ignores such a file too
        return
    yield folder.resolve(), GitIgnoreSpec.from_lines(lines)


def _ignores_above(root: Path) -> tuple[Ignore, ...]:
    """Ignore files of the folders above `root`, outermost first, from the root of its git repository."""
    above = list(root.resolve().parents)
    resolved = (root.resolve(), *above)
    top = next((index for index, folder in enumerate(resolved) if os.path.exists(folder / ".git")), 0)  # noqa: PTH110
    return tuple(ignore for folder in reversed(above[:top]) for ignore in _ignore_file(folder))


def _is_left_out(path: Path, is_folder: bool, ignores: tuple[Ignore, ...]) -> bool:
    if is_folder and path.name in DEFAULT_EXCLUDES:
        return True
    absolute = path.parent.resolve() / path.name
    for folder, spec in reversed(ignores):
        said = spec.check_file(absolute.relative_to(folder).as_posix() + "/" * is_folder).include
        if said is not None:
            return said
    return False


# --- reading


def unreadable(path: str, reason: str) -> Problem:
    """The problem FIP902 for a path."""
    return Problem("FIP902", path, reason)


def read(path: str) -> source.Source | Problem:
    """A file's source, or the problem FIP902 with one clear line; never raises for what lies on the disk."""
    try:
        mode = Path(path).stat().st_mode
        if not stat.S_ISREG(mode):
            return unreadable(path, "is a directory" if stat.S_ISDIR(mode) else "is not a regular file")
        parsed = source.parse(path, Path(path).read_bytes())
        return replace(parsed, imported="torch" in parsed.part.text and is_imported(Path(path)))
    except OSError as error:
        return unreadable(path, _reason(error))
    except source.NotPython as error:
        return unreadable(path, str(error))


_IMPORT = re.compile(rb"^[ \t]*(?:from|import)[ \t]+([^#\r\n]+(?:\([^)]*\))?)", re.MULTILINE)
_WORD = re.compile(rb"\w+")
_MOST = 500


def near(path: Path) -> Iterator[Path]:
    """The folders whose files `is_imported` reads: the file's own, the one above, those right below."""
    home = path.absolute().parent
    yield from (home, home.parent)
    below = sorted(home.iterdir())[:_MOST]
    yield from (entry for entry in below if entry.is_dir() and not entry.name.startswith("."))


def is_imported(path: Path) -> bool:
    """True if a Python file in the same folder, the one above or one right below names the module in an import.

    True also where a folder is closed to us: then nobody can tell.
    """
    home = path.absolute().parent
    name = os.fsencode(home.name if path.stem == "__init__" else path.stem)
    try:
        return any(name in _imports(folder) for folder in list(near(path)))
    except OSError:
        return True


@functools.lru_cache(maxsize=256)
def _imports(folder: Path) -> frozenset[bytes]:
    """Words in the import statements of a folder's files, but for those that name the file they stand in."""
    found: set[bytes] = set()
    for file in sorted(folder.glob("*.py"))[:_MOST]:
        own = os.fsencode(file.stem)
        found |= {word for line in _IMPORT.findall(file.read_bytes()) for word in _WORD.findall(line) if word != own}
    return frozenset(found)


def of_text(path: str, text: str, on_disk: bool) -> source.Source:
    """The source of a text that an editor holds; on_disk: it belongs to the file at `path`, which others may import."""
    data = text.encode(errors="surrogatepass")
    imported = on_disk and "torch" in text and is_imported(Path(path))
    return source.Source(path, data, "utf-8", b"", source.Text(text), imported)


def forget() -> None:
    """Look at the imports of folders again: files may have changed since."""
    _imports.cache_clear()


def read_stdin(path: str) -> source.Source | Problem:
    """The source that stands on standard input, under the name that the caller gave it."""
    try:
        return source.parse(path, sys.stdin.buffer.read())
    except source.NotPython as error:
        return unreadable(path, str(error))


def put(path: Path, data: bytes) -> None:
    """Write a file of our own, its folders included: whoever reads finds it whole.  Raises NotWritten."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=PREFIX, dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except OSError as error:
        raise NotWritten(f"{path}: cannot be written: {_reason(error)}") from error


def _umask() -> int:
    """The process's mask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def digest(path: str | Path) -> str | None:
    """SHA-256 of a regular file's bytes; None for what cannot be read, which `read` says why of."""
    try:
        regular = stat.S_ISREG(Path(path).stat().st_mode)
        return hashlib.sha256(Path(path).read_bytes()).hexdigest() if regular else None
    except OSError:
        return None


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


# --- writing


PREFIX = ".fixinplace-"
"""What the names of files begin with that are about to take another's place."""


def write(changes: Sequence[Change], prefix: str = PREFIX) -> None:
    """Make all changes or none: new files beside the old ones, then one rename each.

    Mode and owner stay, a link keeps pointing to its (new) target.  Raises NotWritten if a file no
    longer holds the bytes that its change was made from, or if it cannot be replaced.
    """
    staged: list[tuple[Path, Path]] = []
    undo: list[tuple[Path, bytes]] = []
    try:
        for change in changes:
            staged.append(_stage(change, prefix))
        for change, (target, temporary) in zip(changes, staged, strict=True):
            before = _bytes_expected(change, target)
            temporary.replace(target)
            undo.append((target, before))
    except BaseException as error:
        for target, before in undo:
            _temporary(target, before, prefix).replace(target)
        if isinstance(error, OSError) and not isinstance(error, NotWritten):
            raise NotWritten(f"cannot be written: {_reason(error)}") from error
        raise
    finally:
        for _, temporary in staged:
            temporary.unlink(missing_ok=True)


def _stage(change: Change, prefix: str) -> tuple[Path, Path]:
    target = Path(change.path).resolve()
    _bytes_expected(change, target)
    if not os.access(target, os.W_OK):
        raise NotWritten("cannot be written: permission denied")
    return target, _temporary(target, change.data, prefix)


def _bytes_expected(change: Change, target: Path) -> bytes:
    data = target.read_bytes()
    if hashlib.sha256(data).hexdigest() != change.digest:
        raise NotWritten("was changed by somebody else meanwhile; nothing was written to it")
    return data


def _temporary(target: Path, data: bytes, prefix: str) -> Path:
    """A synced file beside `target` with its mode and owner, ready to take its place."""
    handle, name = tempfile.mkstemp(prefix=prefix, dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            _keep_owner(target, temporary)
            shutil.copymode(target, temporary)
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _keep_owner(target: Path, temporary: Path) -> None:
    theirs, ours = target.stat(), temporary.stat()
    if (theirs.st_uid, theirs.st_gid) == (ours.st_uid, ours.st_gid):
        return
    # Who may write a file need not be allowed to give one away; then it becomes the writer's, as with git.
    with contextlib.suppress(PermissionError):
        os.chown(temporary, theirs.st_uid, theirs.st_gid)
