"""The other names of a written tensor: bound with it, made from it again, or it is put back into what they come from.

Note [Kin]
    A family is a root and the names that are made from it by views (see Note [Links] in `detect/links.py`).  Whatever
    write is rewritten, every name of the family that is read later must see it, and must go on sharing memory as
    before, since another write may follow:
      names of the very tensor are bound with it, `x = y = x + 1`;
      views of it are made again, `row = x[0]`;
      if the tensor is itself a view, and its base or another view of that is read later, the new value is put back
      into the root (Note [Putting back]), and what is left is made from that again.
    What the statement itself keeps of the value (`rows.append(x.mul_(2))`) is a name of the family that is read later:
    the write moves to a line before, and the line keeps what is made from the new root.
    A statement that stays as it is (`x[0] = 1`), or whose new value cannot be put back, gets a clone of the root
    before it, from which all the others are made: then it writes into the clone.
    A change of shape or strides writes no element, so that only names of the very tensor are bound anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fixinplace.catalogue import Form
from fixinplace.detect.apart import disjoint
from fixinplace.model import Holder, Place, Usage, View
from fixinplace.rewrite.base import Case, Effect
from fixinplace.rewrite.binding import Refusal
from fixinplace.rewrite.putting import Around, is_piece, keeps_all, put, seen


@dataclass(frozen=True, slots=True)
class Anew:
    """What is to be done around a write.

    twins: further names to bind to the new value.  after: lines that follow.  before: lines that clone, and make the
    others from the clone.
    """

    twins: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    before: tuple[str, ...] = ()


def anew(case: Case, effect: Effect) -> Anew:
    """See Note [Kin]; raises Refusal."""
    own = _own(case)
    if effect is Effect.COPY:
        return Anew(before=_cloned(case, own))
    inside = [h for h in _others(case) if _within(h, own)]
    twins = tuple(h.name for h in inside if h.steps == own.steps)
    if case.writer.form is Form.VIEW:
        return Anew(twins)
    outside = _outside(case, own)
    if all(disjoint(h.steps, own.steps) for h in outside):
        return Anew(twins, _made({own.name: own.steps, **dict.fromkeys(twins, own.steps)}, inside))
    return Anew((), _put_back(case, own))


def check_bound(case: Case, found: Anew, bound: frozenset[str]) -> None:
    """Raise Refusal if the statement binds names to the written tensor that the lines after it would leave behind.

    bound: names that the statement binds besides the written one.
    """
    own, root = _own(case), case.facts.family[0]
    remade = any(line.startswith((f"{own.name} = ", f"{root.name} = ")) for line in found.after)
    remade = remade and not keeps_all(own.steps)
    if bound and (remade or bound & {h.name for h in case.facts.family}):
        sentence = "the statement binds other names too, and they share the tensor with those that are made anew"
        raise Refusal("no-safe-place", sentence)


def has_value(case: Case) -> bool:
    """True if an in-place call's new value can be bound to the target: not a part of it, unless it can be put back."""
    facts = case.facts
    if facts.place is not Place.VIEW:
        return facts.place not in (Place.SUBSCRIPT, Place.SLOT)
    if not (facts.usage is Usage.STATEMENT or case.linked) or (facts.in_loop and not keeps_all(facts.through)):
        return False
    return put(case.site.target, facts.through, case.site.target, around(case)) is not None


def around(case: Case) -> Around:
    """What the text of a new base may use where the site stands."""
    names = {h.steps: h.name for h in case.facts.family if h.live}
    return Around(case.facts.torch, names, case.facts.complex)


def must_clone(case: Case) -> bool:
    """True if the new value of the target cannot be put back into what others are made from."""
    if not case.facts.family or case.writer.form is Form.VIEW:
        return False
    own, root = _own(case), case.facts.family[0]
    if own.copies:
        return True
    apart = all(disjoint(h.steps, own.steps) for h in _outside(case, own))
    return not apart and not is_piece(own.steps) and _back(case, own, root) is None


def _back(case: Case, own: Holder, root: Holder) -> str | None:
    return put(root.name, own.steps, own.name, around(case))


def scattered(case: Case) -> bool:
    """True if the new value of a view is put into a copy of its base, and the view made again from that."""
    if not case.facts.family or case.target is None:
        return False
    own = _own(case)
    return bool(_outside(case, own)) and not keeps_all(own.steps)


def _own(case: Case) -> Holder:
    found = [h for h in case.facts.family if h.name == case.target]
    if not found:
        raise Refusal("no-safe-place", "several names share the tensor, and which one is written is not clear")
    return found[0]


def _others(case: Case) -> list[Holder]:
    return [h for h in case.facts.family if h.live and h.name != case.target]


def _within(holder: Holder, own: Holder) -> bool:
    return holder.steps[: len(own.steps)] == own.steps


def _outside(case: Case, own: Holder) -> list[Holder]:
    return [h for h in _others(case) if not _within(h, own)]


def _put_back(case: Case, own: Holder) -> tuple[str, ...]:
    root = case.facts.family[0]
    _check_root(case)
    back = _back(case, own, root)
    if back is None:
        raise Refusal("live-view", f"`{own.name}` cannot be put back into `{root.name}`, which is read later")
    whole = keeps_all(own.steps)
    if case.facts.in_loop and not whole:
        sentence = (
            f"putting `{own.name}` back into `{root.name}` in every round of a loop would make its cost quadratic"
        )
        raise Refusal("quadratic-cost", sentence)
    made = {root.name: root.steps, **({own.name: own.steps} if whole else {})}
    wanted = [*([own] if case.facts.read_later else []), *_others(case)]
    return (f"{root.name} = {back}", *_made(made, wanted))


def _cloned(case: Case, own: Holder) -> tuple[str, ...]:
    apart = not own.copies and all(disjoint(h.steps, own.steps) for h in _outside(case, own))
    base = own if apart else case.facts.family[0]
    inside = [h for h in _others(case) if not apart or _within(h, own)]
    if base is not own:
        _check_root(case)
    if base is not own and is_piece(own.steps):
        raise Refusal(
            "live-view", f"`{own.name}` is one of several views that a call gave: torch takes no write into it"
        )
    return (f"{base.name} = {base.name}.clone()", *_made({base.name: base.steps}, [own, *inside]))


def _check_root(case: Case) -> None:
    """Raise Refusal if the root may lack what was written to a view of it."""
    ahead = next((h.name for h in case.facts.family if h.ahead), None)
    if ahead is not None:
        root = case.facts.family[0].name
        raise Refusal("live-view", f"`{ahead}` was written before, and `{root}`, which nobody reads, is not made anew")


def _made(made: dict[str, tuple[View, ...]], wanted: Iterable[Holder]) -> tuple[str, ...]:
    """Lines that make the wanted names, each from the nearest one that is there already."""
    lines = []
    for holder in sorted(wanted, key=lambda h: len(h.steps)):
        if holder.name not in made:
            base = max((n for n, steps in made.items() if _begins(holder.steps, steps)), key=lambda n: len(made[n]))
            lines.append(f"{holder.name} = {seen(base, holder.steps[len(made[base]) :])}")
            made = {**made, holder.name: holder.steps}
    return tuple(lines)


def _begins(steps: Sequence[View], start: Sequence[View]) -> bool:
    return tuple(steps[: len(start)]) == tuple(start)
