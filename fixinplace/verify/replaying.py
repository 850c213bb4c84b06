"""Recorded calls in the search for inputs: those that still run, say something and come by the edited code."""

from __future__ import annotations

from collections.abc import Iterable

from fixinplace.verify.errors import is_inplace
from fixinplace.verify.failures import failure_of
from fixinplace.verify.jobs import Replay
from fixinplace.verify.observe import UserCode
from fixinplace.verify.sound import soundness
from fixinplace.verify.trying import Trier


class Replayed:
    """What came of the replays so far.

    bodies: those that are of use. reached: regions that they come by. broken: the program itself dies of a write in
    one of them. unused: why calls are of no use, a sentence each.
    """

    def __init__(self, trier: Trier, user: UserCode) -> None:
        self._trier = trier
        self._user = user
        self.bodies: list[str] = []
        self.reached: frozenset[int] = frozenset()
        self.broken = False
        self.unused: list[str] = []

    def run(self, replay: Replay) -> None:
        """Replay one call in its ways; see Note [Recorded before guessed] in `record`."""
        why = self._some(replay.first)
        if why and replay.second:
            why = self._some(replay.second) and why
        if why:
            self.unused.append(f"a recorded call of `{replay.name}` is of no use: {why}")

    def _some(self, bodies: Iterable[str]) -> str:
        """Keep what is of use; empty if something was, else why the first was not."""
        reasons: list[str] = []
        for body in bodies:
            if body in self.bodies:  # another call, which differs in what a replay takes no part in
                reasons.append("")
            elif self._trier.over:
                reasons.append("there was no time left for it")
            else:
                reasons.append(self._one(body))
        return "" if "" in reasons else reasons[0]

    def _one(self, body: str) -> str:
        attempt = self._trier.run(body)
        dies = attempt.error is not None and is_inplace(failure_of(attempt.error))
        if attempt.error is not None and not dies:
            return failure_of(attempt.error, self._user).sentence
        if attempt.error is None:
            sound = soundness(attempt.result)
            if sound.why:
                return sound.why
            dies = sound.broken
        if not attempt.reached:
            return "it does not come by the code that is edited"
        self.bodies.append(body)
        self.reached |= attempt.reached
        self.broken = self.broken or dies
        return ""
