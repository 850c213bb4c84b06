"""How long a search may go on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Budget:
    """How many judgements and how many seconds a search may take."""

    judgements: int = 60
    seconds: float = 600.0
