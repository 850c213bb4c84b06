"""`[tool.fixinplace]` of the nearest pyproject.toml, and which rules a selection means."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

from fixinplace import names

_LISTS = ("select", "ignore", "probes", "exclude")
KEYS = (*_LISTS, "recorded")


class BadConfig(ValueError):
    """The configuration or an option is wrong; the message is one line that a person can act on."""


@dataclass(frozen=True, slots=True)
class Config:
    """What one configuration file says; `root` is its folder, which patterns, probes and `recorded` are relative to.

    recorded: the file of recorded calls; empty for the nearest of the usual name.
    """

    root: Path
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    probes: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    recorded: str = ""

    def excludes(self, path: Path) -> bool:
        """True if `exclude` (patterns as in a .gitignore) names this path or a folder above it."""
        absolute = path.parent.resolve() / path.name
        if not self.exclude or not absolute.is_relative_to(self.root):
            return False
        relative = absolute.relative_to(self.root).as_posix()
        return GitIgnoreSpec.from_lines(self.exclude).match_file(relative + "/" * absolute.is_dir())


def load(path: Path) -> Config | None:
    """The configuration in one TOML file, None if it has no `[tool.fixinplace]`; raises BadConfig."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadConfig(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadConfig(f"{path}: not valid TOML: {error}") from error
    tool = data.get("tool", {})
    table = tool.get("fixinplace") if isinstance(tool, dict) else None
    return None if table is None else _checked(path, table)


def _checked(path: Path, table: object) -> Config:
    if not isinstance(table, dict):
        raise BadConfig(f"{path}: tool.fixinplace must be a table")
    values: dict[str, tuple[str, ...]] = {}
    recorded = table.get("recorded", "")
    wrong: list[str] = [] if isinstance(recorded, str) else ["recorded must be the path of a file"]
    for key, value in table.items():
        if key not in KEYS:
            wrong.append(f"has no key `{key}`{did_you_mean(key, KEYS)}")
        elif key not in _LISTS:
            continue
        elif not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            wrong.append(f"{key} must be a list of strings")
        else:
            values[key] = tuple(value)
    wrong += wrong_words((*values.get("select", ()), *values.get("ignore", ())))
    if wrong:
        raise BadConfig(f"{path}: [tool.fixinplace] {'; '.join(wrong)}")
    return Config(path.parent.resolve(), **values, recorded=recorded)


class Nearest:
    """Finds the configuration that holds for a path: the nearest one upward, or the one that was named."""

    def __init__(self, named: str | None = None) -> None:
        self._named = self._load_named(Path(named)) if named is not None else None
        self._by_folder: dict[Path, Config] = {}

    @staticmethod
    def _load_named(path: Path) -> Config:
        config = load(path)
        if config is None:
            raise BadConfig(f"{path}: there is no [tool.fixinplace] in it")
        return config

    def __call__(self, path: str | Path) -> Config:
        """The configuration for a file or folder; raises BadConfig."""
        if self._named is not None:
            return self._named
        return self._of_folder(Path(path).resolve().parent)

    def excludes(self, path: Path) -> bool:
        """True if the configuration that holds for this path excludes it."""
        return self(path).excludes(path)

    def _of_folder(self, folder: Path) -> Config:
        known = self._by_folder.get(folder)
        if known is None:
            file = folder / "pyproject.toml"
            known = load(file) if os.path.isfile(file) else None  # noqa: PTH113 - no error for a folder that is closed
            if known is None:
                known = Config(folder) if folder == folder.parent else self._of_folder(folder.parent)
            self._by_folder[folder] = known
        return known


# --- which rules


def selected(select: Iterable[str], ignore: Iterable[str]) -> frozenset[str]:
    """Codes of the rules that are on: everything if `select` is empty; the more specific selector wins.

    A selector is a code (`FIP101`), a name (`augmented-name`), the start of a code (`FIP1`) or `ALL`.
    """
    chosen: set[str] = set()
    entries = [(_prefix(word), True) for word in (tuple(select) or ("ALL",))]
    entries += [(_prefix(word), False) for word in ignore]
    for prefix, on in sorted(entries, key=lambda entry: (len(entry[0]), not entry[1])):
        codes = {rule.code for rule in names.RULES if rule.code.startswith(prefix)}
        chosen = chosen | codes if on else chosen - codes
    return frozenset(chosen)


def _prefix(word: str) -> str:
    """The code or start of a code that a selector means; raises BadConfig for one that means nothing."""
    rule = names.rule(word)
    if rule is not None:
        return rule.code
    if word.upper() == "ALL":
        return ""
    if len(word) >= 3 and any(rule.code.startswith(word.upper()) for rule in names.RULES):
        return word.upper()
    raise BadConfig(unknown_rule(word))


def wrong_words(words: Iterable[str]) -> list[str]:
    """A sentence for every word that selects nothing."""
    found = []
    for word in words:
        try:
            _prefix(word)
        except BadConfig as error:
            found.append(str(error))
    return found


def unknown_rule(word: str) -> str:
    """The sentence for a word that names no rule."""
    return f"unknown rule `{word}`{did_you_mean(word, rule_words())}"


def rule_words() -> list[str]:
    """Every name and code."""
    return [word for rule in names.RULES for word in (rule.name, rule.code)]


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """`; did you mean ...?` with the nearest known word, or nothing."""
    near = difflib.get_close_matches(word, known, 1) or difflib.get_close_matches(word.upper(), known, 1)
    return f"; did you mean `{near[0]}`?" if near else ""
