"""What the names of refusals and reasons mean, in one sentence each, and what a person can do about them."""

from __future__ import annotations

from collections.abc import Iterator

from fixinplace import names

REFUSALS: dict[str, str] = {
    "no-grad": "it runs with grad mode off, where autograd records nothing",
    "initialiser": "it initialises a parameter or buffer",
    "optimizer": "it is an optimizer's step, which must write in place",
    "running-statistics": "it updates statistics that no gradient flows through",
    "detached": "it writes through `.detach()`, which autograd does not follow",
    "untracked": "the tensor does not require grad and nothing that does is written into it",
    "finished": "it is already in the form that a rewrite leaves: a fresh clone, then the store",
    "not-broken": "no run showed that it breaks anything, and `--scope broken` was asked for",
    "state-update": "it changes state that a tracked forward uses; only a change of design cures that",
    "not-known-tensor": "it is not certain that a tensor is written here",
    "maybe-untracked": "it is not certain that the tensor requires grad",
    "unknown-op": "the catalogue does not know this in-place op",
    "live-alias": "another name may be the same tensor and is read later; where it certainly is, it is bound as well",
    "live-view": "what may share the tensor's memory is read later; where it is certain how, it is made anew",
    "caller-may-see": "a caller reads the argument after the call, or nobody else does",
    "escapes-to-attribute": "an attribute holds the same tensor",
    "container-slot": "a list, tuple or dict holds the same tensor",
    "closure": "an inner function or another scope reads the same variable",
    "loop-variable": "the tensor is an element of a container that is read later",
    "dtype-may-change": "the out-of-place form may give another dtype",
    "not-assignable": "the name cannot be bound here",
    "registered-parameter": "a module holds the tensor as a Parameter, which only a Parameter may replace",
    "evaluation-order": "something else in the statement is evaluated first and may see the write",
    "no-safe-place": "there is no place in the statement or before it where the new value could be bound",
    "partner-ignored": "it would have to change together with a write that is ignored or not selected",
    "no-counterpart": "torch has no out-of-place form of it",
    "only-repair": "a run shows that it breaks; no rewrite of the write cures it, `fixinplace repair` searches further",
    "resizes": "it changes the size of the storage",
    "overlapping-memory": "elements of the tensor share memory",
    "quadratic-cost": "out of place, every turn of the loop would copy the whole tensor",
}

UNPROVED: dict[str, str] = {
    "hidden-caller": "an argument is written today and would not be afterwards, and not every caller can be seen",
    "verify-off": "nothing was run because of `--verify off`",
    "no-probe": "there was nothing to run",
    "not-reached": "the probe ran but never came to the line, or to what may keep the tensor",
    "no-gradient": "the probe came to the line, but no gradient was there to be compared",
    "nondeterministic": "two runs of the original differ, so that equality means nothing",
    "needs-package": "the probe imports a package that is not installed",
    "needs-gpu": "the probe needs a device that is not here",
    "timed-out": "a run took longer than the limit",
    "over-memory": "a run needed more memory than the limit",
    "no-sandbox": "this system offers no isolation beyond resource limits",
    "no-forward-reference": "neither clones of saved tensors nor forward mode get the original to a gradient",
    "probe-failed": "the probe itself fails, with or without the change",
}

TO_DO: dict[str, str] = {
    "hidden-caller": "if no caller reads the argument afterwards, write it with --unsafe-fixes",
    "verify-off": "leave out --verify off to prove it, or write it with --unsafe-fixes",
    "no-probe": "name one with --probe FILE.py::function, or give the file a `__main__` guard",
    "not-reached": "name a probe that comes to this line",
    "no-gradient": "name a probe that runs a backward, or that returns something tracked",
    "nondeterministic": "seed what is random, or take out what differs",
    "needs-package": "install it into the environment that fixinplace runs in",
    "needs-gpu": "run fixinplace where the device is",
    "timed-out": "give it more with --timeout SECONDS",
    "over-memory": "name a probe that needs less",
    "no-sandbox": "--allow-run runs it under resource limits alone",
    "no-forward-reference": "read the diff and decide; --unsafe-fixes writes it",
    "probe-failed": "run the probe by itself first",
    "still-raises": "another write keeps the program failing; `fixinplace repair` finds it",
}

REFUTED: dict[str, str] = {
    "forward-differs": "a value differs",
    "gradient-differs": "a gradient differs",
    "gradient-missing": "a gradient that was there is gone, or the other way round",
    "state-differs": "state of a module, argument or global differs at the end",
    "aliasing-differs": "other tensors share memory than before",
    "dtype-differs": "a dtype, shape or device differs",
    "random-state-differs": "another number of random values was drawn",
    "output-differs": "something else was printed",
    "new-error": "the rewritten code raises an error of its own",
    "still-raises": "the rewritten code raises the same autograd error",
}

MEANINGS = REFUSALS | UNPROVED | REFUTED


def entry(name: str) -> Iterator[str]:
    """What a refusal or a reason means, for somebody who met it in a report."""
    kind = f"refusal, {names.REFUSALS[name]}" if name in REFUSALS else "unproved" if name in UNPROVED else "refuted"
    yield f"{name} ({kind}): {MEANINGS[name]}"
    if name in TO_DO:
        yield f"what to do: {TO_DO[name]}"
