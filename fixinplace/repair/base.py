"""What a repair is: one file under `forms/` says for which offences it speaks, what it proposes, and what that means.

Note [Tiers]
    patch: one right meaning, proved by running and then written.  choose: several meanings, each an honest one; they
    are shown with what they compute and only written when the user has chosen.  explain: nothing to edit in the code
    that was seen; what and where, and the remedy that the framework documents.
"""

from __future__ import annotations

import ast
import enum
import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fixinplace.model import Edit
from fixinplace.repair.code import Code
from fixinplace.trace.events import Offence, Place

Files = Callable[[str], Code | None]
"""The user's own file at a path, parsed; None for one that is not theirs or cannot be read."""


class Tier(enum.StrEnum):
    """What may be done with a proposal; see Note [Tiers]."""

    PATCH = "patch"
    CHOOSE = "choose"
    EXPLAIN = "explain"


@dataclass(frozen=True, slots=True)
class Wrap:
    """A statement of a file that goes into a block of its own; neighbours under the same header share one."""

    start: int
    end: int
    header: str


@dataclass(frozen=True, slots=True)
class Change:
    """What a proposal does to one file: edits of its text, statements that go into a block, modules it then needs.

    shown: starts of statements that run otherwise though their text stays, where an edit leaves nothing that runs.
    """

    path: str
    edits: tuple[Edit, ...] = ()
    wraps: tuple[Wrap, ...] = ()
    imports: tuple[str, ...] = ()
    shown: tuple[int, ...] = ()


class Proof(enum.Flag):
    """What the proof of a proposal has to know, and what the search may not do with it.

    HIDDEN, DERIVED, UNASKED: `hidden`, `derived` and `unasked` of a `Case`. LEAVES: the leaves that the original writes
    are still written in place. OWN: no other form means the same, so none takes its place because it is shorter.
    """

    PLAIN = 0
    HIDDEN = enum.auto()
    DERIVED = enum.auto()
    UNASKED = enum.auto()
    LEAVES = enum.auto()
    OWN = enum.auto()


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable by its file, the qualified name of its function, empty for a global, and its own name."""

    file: str
    function: str
    name: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """One way to mend an offence.

    repair: name of the form. title: what is edited, for the report. meaning: what the program computes afterwards, for
    choices. changes: empty for explanations, whose `title` is then the remedy. rank: the lowest is tried first.
    caveats: what the proof cannot speak of, since another command may do what this one did not.
    covers: paths of the module instances whose `inplace` it switches off.
    kind: which of the meanings a choice has, whatever it is about.
    unread: variables that are something else afterwards, and that nobody reads; see Note [Left behind by a loop].
    excused: beginnings of paths of a function's calls that may differ, since nobody but torch looks at them.
    otherwise: what a patch means where its gradients are not the reference's; see Note [Meant otherwise].
    proof: how it is proved.
    """

    repair: str
    tier: Tier
    title: str
    changes: tuple[Change, ...] = ()
    meaning: str = ""
    rank: int = 50
    caveats: tuple[str, ...] = ()
    covers: tuple[str, ...] = ()
    kind: str = ""
    unread: tuple[Variable, ...] = ()
    excused: tuple[str, ...] = ()
    otherwise: str = ""
    proof: Proof = Proof.PLAIN


@dataclass(frozen=True)
class Scene:
    """An offence with the files around it: what forms look at."""

    offence: Offence
    files: Files

    def node(self, place: Place | None) -> tuple[Code, ast.expr | ast.stmt] | None:
        """A traced place in a file of the user's, with its node."""
        code = self.files(place.file) if place is not None else None
        node = code.at(place) if code is not None and place is not None else None
        return None if code is None or node is None else (code, node)


@dataclass(frozen=True, slots=True)
class Repair:
    """A form. what, why: its documentation. propose: its proposals for a scene, none where it does not apply."""

    name: str
    what: str
    why: str
    propose: Callable[[Scene], Iterable[Proposal]]


@functools.cache
def repairs() -> tuple[Repair, ...]:
    """Every repair by name; found by scanning `forms/`, where each module has a `REPAIR`."""
    from fixinplace.repair import forms

    modules = (importlib.import_module(f"{forms.__name__}.{m.name}") for m in pkgutil.iter_modules(forms.__path__))
    found: list[Repair] = [module.REPAIR for module in modules]
    return tuple(sorted(found, key=lambda repair: repair.name))
