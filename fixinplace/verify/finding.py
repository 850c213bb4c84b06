"""The search for inputs, in a sandboxed child: guess, run, read the error, mend, run again; then once for real.

Note [Fake first]
    On fake tensors a module of any size is built and called without memory and almost without time.  What depends on
    values, converts to numpy or is not known to them fails there, and is tried for real.  Only what has come to its
    end for real, and says something, is handed on.
"""

from __future__ import annotations

import ast
import dataclasses
import heapq
import itertools
import json
import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

from fixinplace.inputs import mend, snippet, turning
from fixinplace.inputs.examples import examples
from fixinplace.inputs.situation import Fault, Situation
from fixinplace.inputs.snippet import Variant
from fixinplace.inputs.values import Recipe
from fixinplace.verify import load
from fixinplace.verify.agenda import AT_ONCE, START, VALUES, Agenda
from fixinplace.verify.errors import is_inplace
from fixinplace.verify.failures import failure_of
from fixinplace.verify.faults import fault_of
from fixinplace.verify.jobs import FOUND_FILE, Failure, Find, Found, Job, Json, Unit
from fixinplace.verify.observe import UserCode
from fixinplace.verify.reach import Reach
from fixinplace.verify.replaying import Replayed
from fixinplace.verify.sound import has_own_dtype, soundness
from fixinplace.verify.starting import Subject, returning, subject
from fixinplace.verify.trying import Attempt, Trier, is_fake_trouble
from fixinplace.verify.varying import handing_on, switched, variants

_REBUILT = 3
"""How many functions of the file that put other parts into a network are tried."""
_SHARE = 0.6
"""The part of the time that is left which the next way to run a unit may take while there are more."""
_TRIES, _FLIPS, _MENDED = 400, 60, 40
_FLIP_TRIES, _FAR_TRIES = 40, 8
_SLOW = 0.5
"""Seconds for one run from which on it is run in fewer variants."""
_COSTLY = 0.2
"""Seconds for one try from which on what it tells is followed before other first recipes are run."""


def run(job: Job, out: Path, nonce: str) -> None:
    """Look for inputs for every unit of the job's request; one line of FOUND_FILE each, as soon as it is known."""
    find = Find.read(job.text)
    logging.getLogger("torch._subclasses.fake_tensor").setLevel(logging.CRITICAL)  # every miss would be told at length
    reach = Reach([patch.text for patch in job.texts], job.regions)
    user = UserCode(*(patch.path for patch in job.texts))
    failure: Failure | None = None
    module: ModuleType | None = None
    try:
        with reach:
            module = load.imported(job, load.Patched(job.texts, reach.seen))
    except BaseException as error:
        failure = failure_of(error, user)
    reach.keep()
    if module is not None:
        with (out / FOUND_FILE).open("w", encoding="utf-8") as file:
            for unit in find.units:
                found = _searched(Search(module, unit, reach, user, job.texts[0].text, find.seconds), unit)
                file.write(json.dumps(dataclasses.asdict(found)) + "\n")
                file.flush()
    _leave(out, nonce, failure)


def _searched(search: Search, unit: Unit) -> Found:
    """What a search finds; a failure of ours is what it says it failed of, and the other units go on."""
    try:
        return search.run()
    except Exception as error:
        where = error.__traceback__
        while where is not None and where.tb_next is not None:
            where = where.tb_next
        place = "" if where is None else f" ({Path(where.tb_frame.f_code.co_filename).name}:{where.tb_lineno})"
        return Found(unit.name, error=f"a failure of ours, please report it: {type(error).__name__}: {error}{place}")


def _leave(out: Path, nonce: str, failure: Failure | None) -> None:
    end: Json = {"nonce": nonce, "failure": None if failure is None else dataclasses.asdict(failure), "exit": "",
           "failures": [], "reached": [], "no_clone_reference": "", "interpreter": "", "notes": [], "unfilled": False,
           "lowered": False, "backwards": 0, "forward": None, "data": None, "asked_as_leaf": False,
           "imported": []}  # fmt: skip
    (out / "end.json").write_text(json.dumps(end), encoding="utf-8")


@dataclasses.dataclass(frozen=True)
class Working:
    """A recipe that came to its end for real, what it is a recipe of, and the regions that it reaches."""

    subject: Subject
    recipe: Recipe
    reached: frozenset[int]


def _begun(each: Subject, kept: Sequence[Working]) -> Subject:
    """The subject with objects first that are made as those that ran are: a method may ask for what only they have."""
    made = [one.recipe for one in kept]
    starts = [
        dataclasses.replace(start, init=one.init)
        for start in each.starts[:1]
        for one in reversed(made)
        if one.callee == start.callee and one.init is not None and start.init is not None
    ]
    return dataclasses.replace(each, starts=tuple(dict.fromkeys((*starts, *each.starts))))


def _is_ready(recipe: Recipe) -> bool:
    """True for a function without arguments: nothing is to be guessed, and fake tensors save no try."""
    return recipe.init is None and not recipe.call


class Search:
    """Looks for recipes under which one unit runs to its end and reaches its regions."""

    def __init__(self, module: ModuleType, unit: Unit, reach: Reach, user: UserCode, text: str, seconds: float) -> None:
        self._unit = unit
        self._user = user
        self._text = text
        self._began = time.process_time()
        self._end = self._began + seconds
        self._trier = Trier(module, reach, frozenset(unit.regions), self._end)
        self._order = itertools.count()
        self._latest: tuple[Recipe, Attempt] | None = None
        self._seen: set[tuple[Recipe, bool]] = set()
        self._last = ""
        self._missing = ""
        self._furthest: tuple[int, ...] = ()

    def run(self) -> Found:
        """The unit's recipes as texts; without any, the last error."""
        wanted, kept = frozenset(self._unit.regions), list[Working]()
        left = self._examples()
        replayed = Replayed(self._trier, self._user)
        for replay in self._unit.replays:
            replayed.run(replay)
        wanted -= replayed.reached
        subjects = list(self._subjects()) if wanted else []
        for number, each in enumerate(subjects, start=1):
            now = time.process_time()
            share = 1.0 if number == len(subjects) else _SHARE
            self._trier.deadline = now + (self._end - now) * share
            for found in self._recipes(_begun(each, kept), wanted):
                if found.reached & wanted or not (kept or self._unit.regions):
                    kept.append(found)
                wanted -= found.reached
            if kept and not wanted:
                break
        self._trier.deadline = self._end
        return self._found(kept, frozenset(self._unit.regions) - wanted, left, replayed)

    def _examples(self) -> list[tuple[str, frozenset[int], bool]]:
        """What the author left in docstrings, if it runs, says something and comes by the edited code."""
        kept = []
        for body in examples(ast.parse(self._text), self._unit.name):
            attempt = self._trier.run(body)
            if attempt.error is None and attempt.reached and not (sound := soundness(attempt.result)).why:
                kept.append((body, attempt.reached, sound.broken))
        return kept

    def _found(
        self,
        kept: list[Working],
        reached: frozenset[int],
        left: list[tuple[str, frozenset[int], bool]],
        replayed: Replayed,
    ) -> Found:
        calls: list[tuple[Recipe, Variant]] = []
        broken = replayed.broken or any(dies for _, _, dies in left)
        for each in kept:
            more, dies, also = self._variants(each)
            calls, broken, reached = calls + more, broken or dies, reached | also
        ran = bool(calls or left or replayed.bodies)
        error = "" if ran else (self._last or "no try came to its end")
        reached = reached.union(*(more for _, more, _ in left)) if ran else frozenset()
        bodies = (*(body for body, _, _ in left), *(snippet.body(recipe, variant) for recipe, variant in calls))
        seconds = round(time.process_time() - self._began, 2)
        return Found(
            self._unit.name,
            bodies,
            tuple(replayed.bodies),
            tuple(replayed.unused),
            tuple(sorted(reached)),
            self._trier.tries,
            error,
            broken,
            seconds,
            "" if ran else self._missing,
        )

    # --- one subject: the class itself, one of its methods, another class that uses it

    def _subjects(self) -> Iterator[Subject]:
        for name, method in self._unit.ways:
            made = subject(self._trier.module, self._text, name, method, frozenset(self._unit.lines))
            if isinstance(made, str):
                self._last = self._last or made
            else:
                yield made

    def _recipes(self, each: Subject, wanted: frozenset[int]) -> Iterator[Working]:
        """Recipes that came to their end for real; a few."""
        for _ in each.starts:
            found = self._working(each, each.starts)
            if found is None:
                continue
            yield found
            wanted = wanted - found.reached
            if wanted:
                self._last = "it runs, but no try ran the code that is edited"
            for other in self._elsewhere(found, wanted) if wanted else ():
                yield other
                wanted = wanted - other.reached
            if not wanted:
                return

    def _elsewhere(self, found: Working, wanted: frozenset[int]) -> Iterator[Working]:
        """Recipes that reach what a working one does not, by turning its switches."""
        each = found.subject
        situation = Situation(found.recipe, Fault("", ""), each.knowledge, each.init, each.call)
        last = self._last
        for number, turned in enumerate(turning.alternatives(situation)[:_FLIPS]):
            if self._trier.over or not wanted:
                break
            attempt = self._trier.attempt(turned, fake=True, traced=True)
            self._latest = (turned, attempt)
            if attempt.error is None and not wanted & attempt.reached:
                continue
            near = bool(wanted & attempt.reached) or number < len(each.knowledge.guards)
            other = self._working(each, (turned,), _FLIP_TRIES if near else _FAR_TRIES)
            if other is not None and wanted & other.reached:
                yield other
                wanted = wanted - other.reached
        self._last = last

    # --- guess, run, mend

    def _working(
        self, each: Subject, starts: Sequence[Recipe], tries: int = _TRIES, fake: bool = True
    ) -> Working | None:
        """The first recipe that comes to its end for real and says something; None if none does within the budget.

        fake: the starts are tried on fake tensors before.

        Every start is run before any is mended; what got furthest is mended first, whichever it began with.
        """
        queue = Agenda()
        for start in starts:
            queue.push(START, 0, start, fake and not _is_ready(start))
        count, failed = 0, list[tuple[tuple[int, ...], int, Situation, bool]]()
        while (queue or failed) and count < tries * len(starts) and not self._trier.over:
            if not queue:  # every mend has been tried
                rank, _, situation, fake = heapq.heappop(failed)
                for other in mend.anything(situation)[:_MENDED]:
                    queue.push(rank, 0, other, fake)
                continue
            before, steps, recipe, fake = queue.pop()
            if (recipe, fake) in self._seen:
                continue
            self._seen.add((recipe, fake))
            count += 1
            began = time.process_time()
            attempt = self._attempt(recipe, fake)
            costly = time.process_time() - began > _COSTLY
            came = attempt.error is None or is_inplace(failure_of(attempt.error))
            if (came and fake) or (attempt.error is not None and fake and is_fake_trouble(attempt.error)):
                queue.push(START if costly else AT_ONCE[not came], -2 if costly else steps, recipe, False)
                continue
            if came and (made := returning(each, recipe, attempt.result)) is not None:
                return self._working(made, made.starts, tries, not _is_ready(recipe))
            fault = self._fault(attempt)
            if fault is None:
                return Working(each, recipe, attempt.reached)
            if attempt.depth >= self._furthest:
                self._last, self._furthest = self._sentence(attempt, fault), attempt.depth
            if isinstance(attempt.error, ModuleNotFoundError):
                self._missing = self._missing or attempt.error.name or ""
                continue  # no other value installs it
            situation = Situation(recipe, fault, each.knowledge, each.init, each.call)
            rank = VALUES if before == AT_ONCE[0] else tuple(-number for number in attempt.depth)
            heapq.heappush(failed, (rank, next(self._order), situation, fake))
            hints = each.hinted(recipe, attempt.model)
            for other in hints if costly else ():
                queue.push(START, -1, other, fake)
            for index, other in enumerate((*hints, *mend.mended(situation))[:_MENDED]):
                if (other, fake) not in self._seen:
                    queue.push(rank, steps + 1 + index // 3, other, fake)
            if fake and count % 12 == 0:
                queue.push(rank, steps, recipe, False)
        return None

    def _attempt(self, recipe: Recipe, fake: bool) -> Attempt:
        if self._latest is not None and fake and self._latest[0] == recipe:
            return self._latest[1]
        return self._trier.attempt(recipe, fake)

    def _fault(self, attempt: Attempt) -> Fault | None:
        """What is wrong with a try: its error, or that it says nothing."""
        if attempt.error is not None:
            known = failure_of(attempt.error)
            return None if is_inplace(known) else fault_of(attempt.error, attempt.model)
        why = soundness(attempt.result).why
        return Fault("Unsound", why, started=True) if why else None

    def _sentence(self, attempt: Attempt, fault: Fault) -> str:
        return fault.message if attempt.error is None else failure_of(attempt.error, self._user).sentence

    # --- more than one way to run it

    def _variants(self, working: Working) -> tuple[list[tuple[Recipe, Variant]], bool, frozenset[int]]:
        """The recipe in other shapes, modes and dtypes, each of which came to its end and says something.

        And whether the program itself dies of a write in one of them, and the regions that they reach.
        """
        kept: list[tuple[Recipe, Variant]] = []
        broken, slow, reached = False, 0.0, frozenset[int]()
        more = handing_on(working.recipe, working.subject.init, working.subject.call)
        other_ways = tuple(switched(working.recipe, working.subject))
        ways = [*variants(working.recipe), *((each, Variant()) for each in (*more, *other_ways))]
        if working.recipe.init is not None:
            ways += [
                (working.recipe, Variant(rebuilt=name)) for name in working.subject.knowledge.rebuilders[:_REBUILT]
            ]
        for other, variant in ways:
            if kept and (self._trier.over or slow > _SLOW):
                break
            began = time.process_time()
            attempt = self._trier.attempt(other, False, variant)
            slow = time.process_time() - began
            if attempt.error is not None:
                dies = is_inplace(failure_of(attempt.error))
                if not dies:
                    continue
            else:
                sound = soundness(attempt.result)
                dies = sound.broken
                if sound.why and not (sound.flat and other in other_ways):
                    self._last = sound.why
                    continue
            turned = other in other_ways or bool(variant.rebuilt)
            if (dies and turned and not broken) or (variant.double and has_own_dtype(attempt.result)):
                continue
            broken = broken or dies
            kept.append((other, variant))
            reached |= attempt.reached
        return kept, broken, reached
