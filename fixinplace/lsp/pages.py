"""The page of a rule as a file, which an editor can open from a diagnostic."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from fixinplace import names, rewrite
from fixinplace.names import Rule
from fixinplace.report import rules


@dataclass(slots=True)
class Pages:
    """Writes each page once, into a folder that `close` removes.

    folder: its name, which nobody else has; the folder is there once a page is. See Note [Who cleans up].
    """

    folder: Path
    _known: dict[str, Path] = field(default_factory=dict)

    def uri(self, rule: Rule) -> str:
        """The URI of a rule's page."""
        return self.path(rule).as_uri()

    def path(self, rule: Rule) -> Path:
        """The file with a rule's page."""
        if rule.code not in self._known:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            file = self.folder / f"{rule.code}-{rule.name}.md"
            file.write_text(text(rule), encoding="utf-8")
            self._known[rule.code] = file
        return self._known[rule.code]

    def close(self) -> None:
        """Remove what was written."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._known.clear()


def text(rule: Rule) -> str:
    """What `fixinplace rule` prints."""
    return "\n".join(rules.page(rule, rewrite.rewrites())) + "\n"


def short(rule: Rule) -> str:
    """A rule in two sentences."""
    page = rules.PAGES[rule.code]
    return f"{rule.name} ({rule.code}): {rule.summary}. {page.why}"


def rule_of(key: object) -> Rule | None:
    """The rule that a word names."""
    return names.rule(key) if isinstance(key, str) else None
