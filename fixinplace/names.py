"""Names of rules, refusals and reasons: one table each, code and kebab-case name both accepted everywhere."""

from __future__ import annotations

import enum
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule says what is written, never how it is cured."""

    code: str
    name: str
    summary: str


class Kind(enum.StrEnum):
    """Who a refusal speaks for; `not ours` never counts towards the exit code."""

    NOT_OURS = "not ours"
    STATE = "state"
    UNSURE = "unsure"
    SEEN = "seen by others"
    FORM = "form"


RULES: tuple[Rule, ...] = (
    Rule("FIP101", "augmented-name", "an augmented assignment overwrites the tensor a name is bound to"),
    Rule("FIP102", "augmented-attribute", "an augmented assignment overwrites the tensor an attribute holds"),
    Rule("FIP103", "augmented-subscript", "an augmented assignment overwrites elements of a tensor"),
    Rule("FIP104", "underscore-method", "a method ending in `_` overwrites its tensor"),
    Rule("FIP105", "underscore-function", "a function ending in `_` overwrites its argument"),
    Rule("FIP106", "inplace-argument", "a call with `inplace` switched on overwrites its argument"),
    Rule("FIP107", "inplace-module", "a module built with `inplace` switched on overwrites what it is called with"),
    Rule("FIP108", "inplace-attribute-set", "a module's `inplace` is switched on after it was built"),
    Rule("FIP109", "subscript-store", "an assignment to a subscript overwrites elements of a tensor"),
    Rule("FIP110", "out-argument", "a call with `out=` overwrites an existing tensor"),
    Rule("FIP111", "data-write", "a write through `.data` bypasses autograd"),
    Rule("FIP112", "metadata-write", "an in-place call changes shape or history of a tensor that others may hold"),
    Rule("FIP113", "random-fill", "a tensor is overwritten with random numbers"),
    Rule("FIP114", "fill-or-copy", "a tensor is overwritten with a constant or with another tensor"),
    Rule("FIP115", "foreach-write", "a list of tensors is overwritten in one call"),
    Rule("FIP116", "unknown-in-place-op", "a method ending in `_` that the catalogue does not know"),
    Rule("FIP201", "step-before-backward", "an optimizer step wrote a parameter that a later backward needs"),
    Rule("FIP202", "leaf-write", "a leaf that requires grad was written in place"),
    Rule("FIP203", "leaf-view-write", "a view of a leaf that requires grad was written in place"),
    Rule("FIP204", "multi-view-write", "one of the views that unbind, split or chunk gave was written in place"),
    Rule(
        "FIP205", "inference-tensor", "a tensor made in inference mode was written, or saved for backward, outside it"
    ),
    Rule("FIP206", "no-grad-view", "a view made without grad mode was written with grad mode on"),
    Rule(
        "FIP207",
        "carried-graph",
        "a backward went into the graph of an earlier iteration, whose tensors were overwritten",
    ),
    Rule("FIP208", "buffer-overwritten", "a forward overwrote a module's buffer that an earlier forward saved"),
    Rule("FIP209", "hook-wrapped-output", "the output of a module with a full backward hook was written in place"),
    Rule("FIP210", "missing-mark-dirty", "a custom Function wrote its input and did not call mark_dirty"),
    Rule("FIP211", "vmap-write", "under vmap a batched value was written into a tensor without that batch dimension"),
    Rule("FIP212", "broadcast-buffers", "DistributedDataParallel overwrote a buffer that an earlier forward saved"),
    Rule("FIP213", "index-overwritten", "an integer or boolean index was written after it had been used as an index"),
    Rule("FIP301", "data-after-save", "a write through an alias without version counter changed a saved tensor"),
    Rule("FIP302", "foreign-view-write", "a write through a numpy or dlpack view changed a saved tensor"),
    Rule("FIP303", "storage-swapped", "a saved tensor was given another storage"),
    Rule(
        "FIP304",
        "duplicate-index",
        "a store names one element twice, and the overwritten value gets a gradient as well",
    ),
    Rule(
        "FIP305", "running-stats", "a batch norm in training mode changed the statistics that an earlier forward saved"
    ),
    Rule(
        "FIP306",
        "unversioned-optimizer",
        "a fused optimizer step changed saved parameters without moving their versions",
    ),
    Rule(
        "FIP307",
        "check-disabled-by-hooks",
        "saved-tensor hooks switched torch's check off over a saved tensor that changed",
    ),
    Rule(
        "FIP308",
        "data-before-use",
        "a write through `.data` changed what autograd had computed, and the gradient passes it by",
    ),
    Rule(
        "FIP309",
        "gradient-overwritten",
        "a backward or a hook wrote into the gradient that it was given, which others are given as well",
    ),
    Rule("FIP901", "syntax-error", "the file is not valid Python"),
    Rule("FIP902", "unreadable", "the file cannot be read"),
    Rule("FIP903", "unused-suppression", "an ignore comment that suppresses nothing"),
    Rule("FIP904", "internal-error", "the tool failed on the file: a bug of ours, and the file stays as it is"),
    Rule("FIP905", "unwritable", "the file cannot be written"),
    Rule("FIP906", "quarantined", "the file ended its worker process twice: it stays as it is"),
)

REFUSALS: dict[str, Kind] = {
    "no-grad": Kind.NOT_OURS,
    "initialiser": Kind.NOT_OURS,
    "optimizer": Kind.NOT_OURS,
    "running-statistics": Kind.NOT_OURS,
    "detached": Kind.NOT_OURS,
    "untracked": Kind.NOT_OURS,
    "finished": Kind.NOT_OURS,
    "not-broken": Kind.NOT_OURS,
    "state-update": Kind.STATE,
    "not-known-tensor": Kind.UNSURE,
    "maybe-untracked": Kind.UNSURE,
    "unknown-op": Kind.UNSURE,
    "live-alias": Kind.SEEN,
    "live-view": Kind.SEEN,
    "caller-may-see": Kind.SEEN,
    "escapes-to-attribute": Kind.SEEN,
    "container-slot": Kind.SEEN,
    "closure": Kind.SEEN,
    "loop-variable": Kind.SEEN,
    "dtype-may-change": Kind.FORM,
    "not-assignable": Kind.FORM,
    "registered-parameter": Kind.FORM,
    "evaluation-order": Kind.FORM,
    "no-safe-place": Kind.FORM,
    "partner-ignored": Kind.FORM,
    "no-counterpart": Kind.FORM,
    "only-repair": Kind.FORM,
    "resizes": Kind.FORM,
    "overlapping-memory": Kind.FORM,
    "quadratic-cost": Kind.FORM,
}

UNPROVED: tuple[str, ...] = (
    "hidden-caller", "verify-off", "no-probe", "not-reached", "no-gradient", "nondeterministic", "needs-package",
    "needs-gpu", "timed-out", "over-memory", "no-sandbox", "no-forward-reference", "probe-failed",
)  # fmt: skip

REFUTED: tuple[str, ...] = (
    "forward-differs", "gradient-differs", "gradient-missing", "state-differs", "aliasing-differs", "dtype-differs",
    "random-state-differs", "output-differs", "new-error", "still-raises",
)  # fmt: skip

_BY_KEY = {key: rule for rule in RULES for key in (rule.code, rule.name)}


def rule(key: str) -> Rule | None:
    """The rule with this code or kebab-case name (case of the code does not matter), or None."""
    return _BY_KEY.get(key) or _BY_KEY.get(key.upper())


def counts(refusal: str) -> bool:
    """True if a refusal is the user's business: everything except `not ours`."""
    return REFUSALS[refusal] is not Kind.NOT_OURS
