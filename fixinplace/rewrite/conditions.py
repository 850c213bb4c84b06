"""What forbids every rewrite alike: section 5 of the design, read off the facts.

Note [Dropout]
    On the processor both forms of all kinds of dropout draw the same numbers and leave the generator the same, and
    values, gradients and strides are equal bit by bit: measured over 1,700 cases (sizes, layouts, dtypes, training or
    not, p = 0).  On other devices they may come from two kernels, so that one seed gives other numbers of the same
    distribution: that is said.  `rrelu` lays its result out otherwise, and fills draw in the order of memory.
"""

from __future__ import annotations

from fixinplace.catalogue import Writer
from fixinplace.model import Certainty, Facts, Found, Place, Refused, Usage
from fixinplace.rewrite.base import Case, Effect
from fixinplace.rewrite.kin import scattered

_NO_COUNTERPART = {
    "no-counterpart": "`{op}` has no out-of-place counterpart",
    "resizes": "`{op}` gives the tensor another size or storage",
    "state-update": "`{op}` changes state that outlives the call; what it should mean is the author's to say",
    "optimizer": "`{op}` updates parameters or gradients in place by design",
    "running-statistics": "`{op}` keeps running statistics in place by design",
    "untracked": "`{op}` writes no element of the tensor",
    "overlapping-memory": "`{op}` needs memory that does not overlap",
}


def refused(found: Found, writer: Writer | None) -> Refused | None:
    """Why a site is not rewritten whatever the rewrite, or None."""
    for hazard in found.facts.hazards:
        return Refused(hazard.refusal, hazard.sentence)
    if found.facts.tracked is False:
        return Refused("untracked", "neither the tensor nor what is written requires grad")
    if writer is None:
        return Refused("unknown-op", f"unknown in-place op `{found.site.op}`: the catalogue does not have it")
    if found.site.certainty is not Certainty.RAN and _is_for_others(found.facts):  # else a run decides
        if found.facts.parameter is None:
            sentence = "nothing here reads the new value: it is meant for whoever else holds the tensor"
            return Refused("live-alias", sentence)
        sentence = f"what is written to the argument `{found.facts.parameter}` is read by nobody but the caller"
        return Refused("caller-may-see", sentence)
    if found.facts.perhaps and _is_looked_at(found.facts):
        return Refused(
            "maybe-untracked", "whether it writes is decided by a value, and what it is given is read afterwards"
        )
    if writer.refusal is not None and not (found.facts.each and writer.counterpart is not None):
        sentence = _NO_COUNTERPART.get(writer.refusal, "`{op}` is never rewritten")
        return Refused(writer.refusal, sentence.format(op=found.site.op))
    return None


def draws_the_same(writer: Writer) -> bool:
    """True if both forms give the same result, random numbers included: see Note [Dropout]."""
    return not writer.random or "dropout" in writer.name.lower()


def _is_for_others(facts: Facts) -> bool:
    """True for a write whose new value would be lost: its function does not read it, and others keep the old one."""
    named = facts.place in (Place.NAME, Place.SUBSCRIPT, Place.VIEW)
    handed = facts.hand_back or facts.module_calls or facts.usage is not Usage.STATEMENT
    return named and (facts.lost or is_unread_argument(facts)) and not handed


def is_unread_argument(facts: Facts) -> bool:
    """True if an argument is written, and its function does not read that."""
    return facts.parameter is not None and not (facts.read_later or facts.family or facts.hand_back)


def _is_looked_at(facts: Facts) -> bool:
    """True if somebody else may see what is written, and would have to be given the new tensor; see Note [Switches]."""
    read = [(facts.place, facts.read_later and facts.usage is not Usage.REBOUND)]
    read += [(call.place, call.read_later and call.usage is not Usage.REBOUND) for call in facts.module_calls]
    unseen = any(later or place not in (Place.NAME, Place.TEMPORARY) for place, later in read)
    return unseen or bool(facts.family or facts.hand_back)


RELAID = "the out-of-place form may have other strides, and the file uses what depends on them"
GUARDED = "no gradient flows to the operand"
ROUNDED = "where two dtypes meet, a gradient may be rounded otherwise"
"""What is assumed of a result that is cast to the dtype of its target, see Note [Guarded sums]."""
PROMOTES = ": the plain form may promote"
"""The end of doubts about dtypes: a write that stays as it is keeps that of its tensor."""
RENAMED = "the file makes texts of tensors, which name the operation that made them"


def doubts(case: Case, effect: Effect) -> tuple[str, ...]:
    """What forbids the word `safe` for a rewrite with this effect.

    What is cloned first keeps its strides and is written by the same op; so does a base that a scatter copies.
    """
    facts = case.facts
    relaid = (facts.relaid and effect is not Effect.COPY) or (facts.gaps and not scattered(case))
    renamed = facts.renamed and effect is not Effect.COPY
    kept = [one for one in facts.doubts if not (effect is Effect.COPY and one.endswith(PROMOTES))]
    return (*kept, *([RELAID] if relaid else []), *([RENAMED] if renamed else []))


def is_safe(case: Case, exact: bool, effect: Effect) -> bool:
    """True if all conditions of exactness follow from static facts, and the form is exact: it need not be run.

    With mixed dtypes the values are right, but gradients pass through the wider dtype and may round otherwise; not
    where the same op writes into a clone, or for sums, see Note [Guarded sums].
    """
    found, facts = case.found, case.facts
    module = found.site.rule in ("FIP107", "FIP108")
    certain = found.site.certainty is not Certainty.GUESSED and (facts.tracked is True or module)
    unseen = module and not facts.all_calls_seen
    mixed = facts.mixed and effect is not Effect.COPY and not {GUARDED, ROUNDED} & {*facts.assumes}
    return exact and certain and not (doubts(case, effect) or facts.parameter or mixed or unseen)
