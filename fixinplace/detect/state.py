"""What holds at one point of a function, and what holds where several ways meet."""

from __future__ import annotations

from dataclasses import dataclass, field

from fixinplace.detect.changed import age
from fixinplace.detect.kinds import Origin
from fixinplace.detect.links import Link
from fixinplace.detect.replacing import replace
from fixinplace.detect.values import NOWHERE, Memories, Memory, Value, join
from fixinplace.model import Keeper


@dataclass(frozen=True, slots=True)
class Escape:
    """A storage left the function's own names: a refusal that certainly applies, or only a doubt (None).

    keepers: the code that has it since.
    """

    refusal: str | None
    sentence: str
    keepers: frozenset[Keeper] = frozenset()


@dataclass
class State:
    """What holds at one program point; copied at branches and joined after them.

    masks: name of a boolean tensor -> name of the tensor whose shape it has, until one of the two is bound anew.
    links: name -> how it is made from another name, see Note [Links].
    quiet, kept: storages of which nothing is kept by what made them, and those that were read; see Note [Free writes].
    alone: storages that a name alone held when they were made; see Note [Born alone].
    """

    names: dict[str, Value] = field(default_factory=dict)
    attrs: dict[str, Value] = field(default_factory=dict)
    escapes: dict[Memory, frozenset[Escape]] = field(default_factory=dict)
    unread: Memories = NOWHERE
    masks: dict[str, str] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)
    quiet: Memories = NOWHERE
    kept: Memories = NOWHERE
    alone: Memories = NOWHERE

    def copy(self) -> State:
        """An independent copy."""
        return State(
            dict(self.names), dict(self.attrs), dict(self.escapes), self.unread, dict(self.masks), dict(self.links),
            self.quiet, self.kept, self.alone,
        )  # fmt: skip

    def pass_by(self, label: str) -> None:
        """Make what the position `label` has allocated an earlier storage; see Note [Memory]."""
        memory = Memory(Origin.ALLOCATED, label)
        self.names = {k: age(v, label) for k, v in self.names.items()}
        self.attrs = {k: age(v, label) for k, v in self.attrs.items()}
        for old in [m for m in self.escapes if m.origin is Origin.ALLOCATED and m.label == label]:
            older = replace(old, origin=Origin.EARLIER)
            self.escapes[older] = self.escapes.pop(old) | self.escapes.get(older, frozenset())
        self.unread -= {memory}
        self.quiet -= {memory}
        self.kept -= {memory}
        self.alone -= {memory}

    def join(self, other: State) -> State:
        """What holds if either may hold."""
        names = _joined(self.names, other.names)
        attrs = _joined(self.attrs, other.attrs)
        escapes = {k: v if (o := other.escapes.get(k, v)) is v else v | o for k, v in self.escapes.items()}
        masks = {k: v for k, v in self.masks.items() if other.masks.get(k) == v}
        links = {k: v for k, v in self.links.items() if other.links.get(k) == v}
        return State(
            {**other.names, **names}, {**other.attrs, **attrs}, {**other.escapes, **escapes},
            self.unread & other.unread, masks, links, self.quiet | other.quiet, self.kept | other.kept,
            self.alone & other.alone,
        )  # fmt: skip


def _joined(mine: dict[str, Value], others: dict[str, Value]) -> dict[str, Value]:
    """What names stand for on either way; most stand for the very same."""
    return {k: v if (o := others.get(k, v)) is v else join(v, o) for k, v in mine.items()}


@dataclass
class Opening:
    """The first round of a loop. counter: the name that is 0 in it. skipped: some branch was left to the second one.

    apart: it is read by itself, see Note [Walked lists] in `walked.py`.
    """

    counter: str
    skipped: bool = False
    apart: bool = False
