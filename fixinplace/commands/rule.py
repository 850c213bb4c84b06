"""`fixinplace rule`: the documentation of the rules."""

from __future__ import annotations

from fixinplace import config, names, rewrite
from fixinplace.commands.console import Console
from fixinplace.config import BadConfig
from fixinplace.report import rules


def rule(key: str | None, console: Console) -> int:
    """Print one rule's page, or the list of all rules; raises BadConfig for one that does not exist."""
    if key is None:
        console.lines(rules.listing())
        return 0
    found = names.rule(key)
    if found is None:
        raise BadConfig(config.unknown_rule(key))
    console.lines(rules.page(found, rewrite.rewrites()))
    return 0
