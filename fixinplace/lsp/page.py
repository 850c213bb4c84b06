"""An open document with what is known of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

from fixinplace.lsp.buffers import Buffer
from fixinplace.lsp.culprits import Trace
from fixinplace.lsp.proofs import Proven
from fixinplace.lsp.settings import Holding
from fixinplace.model import Analysis
from fixinplace.source import Source

Json = dict[str, Any]


@dataclass(frozen=True)
class Look:
    """An analysis of one buffer under what held for it then."""

    buffer: Buffer
    holding: Holding
    source: Source
    analysis: Analysis
    refused: bool = False

    @property
    def parsed(self) -> bool:
        """True if the text is Python."""
        return not any(problem.rule == "FIP901" for problem in self.analysis.problems)


@dataclass
class Page:
    """An open document: its buffer, the newest analysis, the last one of a text that parsed, and what ran.

    running: a proof of this text, which another text ends. gone: its file was removed or renamed, and nothing is said
    about it until the text changes.
    """

    buffer: Buffer
    look: Look | None = None
    good: Look | None = None
    proven: Proven | None = None
    trace: Trace | None = None
    running: asyncio.Task[Json] | None = None
    waiting: asyncio.Task[None] | None = None
    busy: asyncio.Task[None] | None = None
    old: Look | None = None
    order: tuple[Buffer, int] | None = None
    shown: Look | None = None
    silenced: bool = False
    gone: bool = False

    def frozen(self) -> Page:
        """The page as it is now, for a process that looks at it while the text changes."""
        return replace(self, running=None, waiting=None, busy=None)

    @property
    def fresh(self) -> Look | None:
        """The analysis of the text as it is now, if there is one."""
        return self.look if self.look is not None and self.look.buffer is self.buffer else None
