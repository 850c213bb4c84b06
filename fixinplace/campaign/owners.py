"""Who owns a file: CODEOWNERS, as GitHub reads it."""

from __future__ import annotations

import re
from pathlib import Path

from fixinplace.campaign.git import Repositories

_PLACES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")

NOBODY = "nobody"


class Owners:
    """Answers by the CODEOWNERS file of the working tree that a file lies in."""

    def __init__(self, repositories: Repositories) -> None:
        self._repositories = repositories
        self._rules: dict[Path, list[tuple[re.Pattern[str], str]]] = {}

    def __call__(self, path: str) -> str:
        """The owners of a file, as they stand there; `nobody` where none is named."""
        top = self._repositories.top(path)
        if top is None:
            return NOBODY
        if top not in self._rules:
            self._rules[top] = _rules(top)
        relative = Path(path).resolve().relative_to(top.resolve()).as_posix()
        matching = (owners for pattern, owners in reversed(self._rules[top]) if pattern.fullmatch(relative))
        return next(matching, NOBODY)


def _rules(top: Path) -> list[tuple[re.Pattern[str], str]]:
    file = next((top / place for place in _PLACES if (top / place).is_file()), None)
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file is not None else []
    found = []
    for line in lines:
        words = re.split(r"(?<!\\)\s+", re.sub(r"(^|\s)#.*", "", line).strip())
        if words[0] and not re.match(r"\^?\[", words[0]):  # a section of GitLab's is no pattern
            found.append((pattern(words[0]), " ".join(words[1:]) or NOBODY))
    return found


def pattern(text: str) -> re.Pattern[str]:
    r"""The regular expression that a pattern means: as in a .gitignore, but `docs/*` stops at the files of `docs`."""
    anchored = "/" in text.rstrip("/")
    body = text.strip("/").replace("\\ ", " ")
    parts = re.split(r"(\*\*/|/\*\*$|\*\*|\*|\?)", body)
    wild = {"**/": "(?:.*/)?", "/**": "/.*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    middle = "".join(wild.get(part, re.escape(part)) for part in parts)
    below = "/.*" if text.endswith("/") else "" if text.endswith("/*") else "(?:/.*)?"
    return re.compile(("" if anchored or text.startswith("/") else "(?:.*/)?") + middle + below)
