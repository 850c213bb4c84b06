"""What an editor may set, and which settings, configuration and rules hold for a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from fixinplace import config
from fixinplace.config import BadConfig, Config, Nearest

SECTION = "fixinplace"


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the editor, named in camelCase there; the options of the command line with the same names.

    debounce: milliseconds that a text must rest before it is looked at. max_size: characters; a longer file is not.
    """

    enable: bool = True
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    config: str = ""
    probe: tuple[str, ...] = ()
    timeout: float = 60.0
    allow_run: bool = False
    debounce: float = 100.0
    max_size: int = 1_000_000


def parse(data: object, start: Settings | None = None) -> Settings:
    """Settings from what a client sends, bare or below `fixinplace`; raises BadConfig with all that is wrong.

    start: what holds where the client says nothing.
    """
    start = start or Settings()
    if data is None:
        return start
    if isinstance(data, Mapping) and isinstance(data.get(SECTION), Mapping):
        data = data[SECTION]
    elif isinstance(data, Mapping) and "settings" in data:
        return parse(data["settings"], start)
    if not isinstance(data, Mapping):
        raise BadConfig("the settings must be an object")
    known = {_camel(each.name): each for each in fields(Settings)}
    values: dict[str, object] = {}
    wrong: list[str] = []
    for key, value in data.items():
        if key not in known:
            if key != SECTION or value is not None:
                wrong.append(f"there is no setting `{key}`{config.did_you_mean(str(key), list(known))}")
        elif value is not None:
            try:
                values[known[key].name] = _checked(key, value, known[key].default)
            except BadConfig as error:
                wrong.append(str(error))
    found = replace(start, **values)  # type: ignore[arg-type]
    wrong += config.wrong_words((*found.select, *found.ignore))
    if wrong:
        raise BadConfig("; ".join(wrong))
    return found


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _checked(key: str, value: object, default: object) -> object:
    if isinstance(default, tuple):
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise BadConfig(f"the setting `{key}` must be a list of strings")
        return tuple(value)
    if isinstance(default, bool | str):
        if not isinstance(value, type(default)):
            raise BadConfig(
                f"the setting `{key}` must be {'true or false' if isinstance(default, bool) else 'a string'}"
            )
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise BadConfig(f"the setting `{key}` must be a number that is not negative")
    return type(default)(value)  # type: ignore[call-arg]


@dataclass(frozen=True, slots=True)
class Holding:
    """What holds for one file."""

    settings: Settings
    config: Config
    enabled: frozenset[str]
    folder: Path


Stamp = tuple[int, int, int] | None


def _stamp(file: Path) -> Stamp:
    """What differs once a file has been written; None where there is none."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


@dataclass(slots=True)
class Projects:
    """Settings by workspace folder, and the configuration files below; told when either may have changed.

    start: the options of the start. scoped: settings of single folders, which win over `settings`. problems: what is
    wrong, not yet told to the user.
    """

    folders: tuple[Path, ...] = ()
    start: Settings = field(default_factory=Settings)
    settings: Settings = field(default_factory=Settings)
    scoped: dict[Path, Settings] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    _nearest: dict[str, Nearest] = field(default_factory=dict)
    _stamps: dict[Path, Stamp] = field(default_factory=dict)
    _said: set[str] = field(default_factory=set)

    def begin(self, data: object) -> None:
        """The options of the start, which hold wherever settings that come later say nothing."""
        self.take(data)
        self.start = self.settings

    def take(self, data: object) -> None:
        """New settings for every folder; wrong ones are a problem and change nothing."""
        found = self._parsed(data)
        if found is not None:
            self.settings, self.scoped = found, {}
            self.forget()

    def take_all(self, data: object, by_folder: Mapping[Path, object]) -> bool:
        """The client's settings as it answers for itself and for each folder, perhaps nothing; True if they differ."""
        before = self.settings, self.scoped
        found = self._parsed(data)
        if found is not None:
            given = {folder: self._parsed(each) for folder, each in by_folder.items() if each}
            self.settings = found
            self.scoped = {folder: each for folder, each in given.items() if each is not None}
        if (self.settings, self.scoped) == before:
            return False
        self.forget()
        return True

    def _parsed(self, data: object) -> Settings | None:
        try:
            return parse(data, self.start)
        except BadConfig as error:
            self._complain(str(error))
            return None

    def forget(self) -> None:
        """Read configuration files again when next asked."""
        self._nearest.clear()
        self._stamps.clear()
        self._said.clear()

    def refreshed(self, path: Path | None) -> bool:
        """True if a configuration file that may hold for a file is not what it was when this was last asked.

        Not every editor watches files, and none tells of them at once.
        """
        folder = self.folder(path)
        settings = self.scoped.get(folder, self.settings)
        home = (path.parent if path is not None else folder).resolve()
        files = (
            [folder / settings.config] if settings.config else [at / "pyproject.toml" for at in (home, *home.parents)]
        )
        differs = False
        for file in files:
            stamp = _stamp(file)
            differs |= self._stamps.setdefault(file, stamp) != stamp
        return differs

    def holding(self, path: Path | None) -> Holding:
        """What holds for a file; of a configuration that is wrong, the problem is noted and the defaults hold."""
        folder = self.folder(path)
        settings = self.scoped.get(folder, self.settings)
        nearest = self._config(settings, folder, path)
        if settings.select:
            enabled = config.selected(settings.select, settings.ignore)
        else:
            enabled = config.selected(nearest.select, (*nearest.ignore, *settings.ignore))
        return Holding(settings, nearest, enabled, folder)

    def folder(self, path: Path | None) -> Path:
        """The innermost workspace folder that holds a file, else the file's own; the first for what has no file."""
        if path is None:
            return self.folders[0] if self.folders else Path.cwd()
        around = [folder for folder in self.folders if path.is_relative_to(folder)]
        return max(around, key=lambda folder: len(folder.parts), default=path.parent)

    def _config(self, settings: Settings, folder: Path, path: Path | None) -> Config:
        named = str(folder / settings.config) if settings.config else ""
        try:
            if named not in self._nearest:
                self._nearest[named] = Nearest(named or None)
            return self._nearest[named](path or folder / "untitled.py")
        except BadConfig as error:
            self._complain(str(error))
            return Config(folder)

    def _complain(self, problem: str) -> None:
        if problem not in self._said:
            self._said.add(problem)
            self.problems.append(problem)
