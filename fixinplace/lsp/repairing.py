"""The child's side of "find the culprit": `fixinplace repair --explain --output-format json`, without a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from fixinplace.commands.console import Console
from fixinplace.commands.repair import Options, repair

Json = dict[str, Any]


class _Kept(Console):
    """Keeps what the command prints: standard output for the document, standard error for what went wrong."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__()
        self.document = ""
        self.complaints: list[str] = []
        self._report = tell

    def lines(self, lines: Iterable[str], *, to_error: bool = False) -> None:
        text = "\n".join(lines)
        if to_error:
            self.complaints.append(text)
        else:
            self.document += text

    def progress(self, line: str) -> None:
        self._report(line)


def explain(request: Json, tell: Callable[[str], None]) -> Json:
    """The JSON document of `repair`; raises BadConfig for a command that names nothing."""
    tell("running the script")
    console = _Kept(tell)
    options = Options(dry=True, explain=True, json=True, seconds=request["timeout"], allow_run=request["allow_run"])
    repair(request["module"], tuple(request["words"]), options, console)
    if not console.document:
        return {"failed": " ".join(console.complaints) or "the command told nothing"}
    answer: Json = json.loads(console.document)
    return answer
