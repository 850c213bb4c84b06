"""The page of a rule as a file, which an editor can open from a diagnostic."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from fixinplace import names, rewrite
from fixinplace.names import Rule
from fixinplace.report import rules


@dataclass(slots=True)
class Pages:
    """Writes each page once, into a folder that `close` removes."""

    _folder: tempfile.TemporaryDirectory[str] | None = None
    _known: dict[str, Path] = field(default_factory=dict)

    def uri(self, rule: Rule) -> str:
        """The URI of a rule's page."""
        return self.path(rule).as_uri()

    def path(self, rule: Rule) -> Path:
        """The file with a rule's page."""
        if rule.code not in self._known:
            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(prefix="fixinplace-rules-", ignore_cleanup_errors=True)
            file = Path(self._folder.name) / f"{rule.code}-{rule.name}.md"
            file.write_text(text(rule), encoding="utf-8")
            self._known[rule.code] = file
        return self._known[rule.code]

    def close(self) -> None:
        """Remove what was written."""
        if self._folder is not None:
            self._folder.cleanup()
        self._folder = None
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
