"""Files whose fixes are run by the same probe: each is proved in the company of the others' fixes.

Note [In company]
    A program that dies of a write in the model and of another in the training script is mended by neither fix alone.
    Files that share a probe are therefore ruled on with the other files' fixes made, beginning with all that could be
    made, and again until no text changes any more: then every verdict belongs to the texts that are written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fixinplace import pipeline
from fixinplace.commands.inputs import Input
from fixinplace.commands.proving import Company, Provers
from fixinplace.pipeline import Policy, Prover, Result
from fixinplace.source import apply

if TYPE_CHECKING:
    from fixinplace.verify.probes import Probe

_ROUNDS = 5

Maker = Callable[[Input, Company], Prover | None]


def groups(items: Sequence[Input], probes: Callable[[Input], tuple[Probe, ...]]) -> list[list[Input]]:
    """Items that share a probe and have fixes, in groups of two and more."""
    sharing: dict[Probe, list[int]] = defaultdict(list)
    for number, item in enumerate(items):
        for probe in probes(item):
            sharing[probe].append(number)
    joined = list(range(len(items)))
    for numbers in sharing.values():
        for number in numbers:
            home, other = joined[numbers[0]], joined[number]
            joined = [home if each == other else each for each in joined]
    found: dict[int, list[Input]] = defaultdict(list)
    for number, home in enumerate(joined):
        if joined.count(home) > 1 and _optimistic(items[number]) != items[number].source.part.text:
            found[home].append(items[number])
    return [group for group in found.values() if len(group) > 1]


def _optimistic(item: Input) -> str:
    """The text with every fix made that no caller has to agree to."""
    found = pipeline.fixes(item.analysis().findings)
    edits = [edit for fix in found.values() if fix.parameter is None and not fix.excused for edit in fix.edits]
    return apply(item.source.part.text, edits)


def joint(items: Sequence[Input], policy: Policy, provers: Provers) -> dict[str, Result]:
    """Results, by path, of the files that have to be proved in company; see Note [In company]."""
    if not policy.runs or len(items) < 2:
        return {}
    results: dict[str, Result] = {}
    for group in groups(items, lambda item: provers.probes(item.source, item.config)):
        made = fix(group, policy, lambda item, company: provers.prover(item.source, item.config, company))
        results |= {result.analysis.path: result for result in made or ()}
    return results


def fix(group: Sequence[Input], policy: Policy, prover: Maker) -> list[Result] | None:
    """The results of a group, in its order; None if they do not settle."""
    paths = [Path(item.source.path).absolute() for item in group]
    before = [item.source.part.text for item in group]
    after = [_optimistic(item) for item in group]
    results: list[Result | None] = [None] * len(group)
    for _ in range(_ROUNDS):
        changed = False
        for number, item in enumerate(group):
            texts = zip(paths, before, after, strict=True)
            company = {path: (old, new) for path, old, new in texts if path != paths[number]}
            result = pipeline.fix(item.source, item.enabled, policy, prover(item, company), item.narrowed)
            changed = changed or result.text != after[number]
            after[number], results[number] = result.text, result
        if not changed:
            return [result for result in results if result is not None]
    return None
