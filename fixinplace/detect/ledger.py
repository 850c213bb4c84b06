"""What a function asked of the rest of the file, and told it: enough to leave it unread in a later round.

Note [Rounds that change nothing]
    Functions are read in rounds because they tell each other things, and most of them learn nothing from the second
    round on.  While a function is read, the ledger notes every answer that it got from what functions share, and
    everything that it told others and that a round forgets.  If all answers are the same in the next round, reading
    it would end the same: it is told again instead.  What a round does not forget (`Program.written`, doubts,
    summaries) needs no telling.  Where a function looks at what cannot be asked again so, it is read in every round:
    at sites of in-place modules, which other functions add to, and at what it has told itself in between.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

_Answer = TypeVar("_Answer")


@dataclass
class _Record:
    asked: dict[tuple[Callable[..., object], Hashable], object] = field(default_factory=dict)
    told: list[tuple[Callable[..., None], tuple[Any, ...]]] = field(default_factory=list)
    own: set[Hashable] = field(default_factory=set)
    repeatable: bool = True


class Ledger:
    """Notes for each function what it asked and told; see Note [Rounds that change nothing]."""

    def __init__(self) -> None:
        self._records: dict[Hashable, _Record] = {}
        self._open: _Record | None = None

    def ask(self, question: Callable[[Any], _Answer], about: Hashable) -> _Answer:
        """The answer to a question that can be asked again; nobody may change it later."""
        answer = question(about)
        if self._open is not None:
            self._open.asked.setdefault((question, about), answer)
        return answer

    def tell(self, tell: Callable[..., None], *words: Any) -> None:  # noqa: ANN401  (whatever `tell` takes)
        """Do what others see, and do it again in each round that changes nothing for who does it."""
        tell(*words)
        if self._open is not None:
            self._open.told.append((tell, words))

    def owns(self, thing: Hashable) -> bool:
        """True if the function that is being read has told of a thing, or nobody is being read."""
        return self._open is None or thing in self._open.own

    def own(self, thing: Hashable) -> None:
        """The function that is being read has told of a thing."""
        if self._open is not None:
            self._open.own.add(thing)

    def unrepeatable(self) -> None:
        """The function that is being read must be read in every round."""
        if self._open is not None:
            self._open.repeatable = False

    def read(self, unit: Hashable, work: Callable[[], None]) -> None:
        """Read a function, unless nothing has changed for it since the last time."""
        known = self._records.get(unit)
        if known is not None and all(question(about) == answer for (question, about), answer in known.asked.items()):
            for tell, words in known.told:
                tell(*words)
            return
        self._open = record = _Record()
        work()
        self._open = None
        self._records.pop(unit, None)
        if record.repeatable:
            self._records[unit] = record
