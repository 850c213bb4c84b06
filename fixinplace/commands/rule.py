"""`fixinplace rule`: the documentation of the rules, and what the reasons in a report mean."""

from __future__ import annotations

from fixinplace import config, names, rewrite
from fixinplace.commands.console import Console
from fixinplace.config import BadConfig
from fixinplace.report import glossary, rules


def rule(key: str | None, console: Console) -> int:
    """Print a rule's page, what a reason means, or the list of rules; raises BadConfig for an unknown word."""
    if key is None:
        console.lines(rules.listing())
        return 0
    found = names.rule(key)
    if found is not None:
        console.lines(rules.page(found, rewrite.rewrites()))
    elif key in glossary.MEANINGS:
        console.lines(glossary.entry(key))
    else:
        raise BadConfig(config.unknown_rule(key))
    return 0
