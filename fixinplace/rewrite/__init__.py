"""How a write is said out of place: sites with facts become findings with edits, or with the reason for none.

`plan` decides; each file under `forms/` is one rewrite.  Nothing here imports torch, and `libcst` is loaded only
where there is something to rewrite or to explain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fixinplace.model import Finding, Found
from fixinplace.source import Text

if TYPE_CHECKING:
    from fixinplace.rewrite.base import Rewrite

__all__ = ["plan", "rewrites"]


def plan(part: Text, found: Sequence[Found], run: bool = True) -> tuple[Finding, ...]:
    """One finding for each site, in the order of `found`; pure.

    run: whether what is planned may be proved by a run; see Note [Guarded sums] for what changes if not.
    """
    if not found:
        return ()
    from fixinplace.rewrite import engine, guarded

    return engine.plan(part, guarded.settled(part, found) if run else guarded.guarded(part, found))


def rewrites() -> tuple[Rewrite, ...]:
    """All rewrites with their documentation and examples, by name."""
    from fixinplace.rewrite import base

    return base.rewrites()
