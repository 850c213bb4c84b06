"""The project's words as frozen data; imports nothing of ours.

Positions are code-point offsets into the decoded text of one part of a source (see `source.py`);
every span is half-open.  Every output (text, diff, JSON, later the editor) reads these objects.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class Certainty(enum.StrEnum):
    """Why we believe that a site writes a tensor; ordered `ran` > `typed` > `guessed`."""

    GUESSED = "guessed"
    TYPED = "typed"
    RAN = "ran"


class Place(enum.StrEnum):
    """What kind of expression holds the tensor that is written."""

    NAME = "name"  # h
    ATTRIBUTE = "attribute"  # self.h, a.b.c: names and attributes only
    SUBSCRIPT = "subscript"  # h[i]: the written tensor is h, through an index
    ITEM = "item"  # hs[i]: the written tensor lies in a list or dict, whose place can be bound anew
    SLOT = "slot"  # hs[i][0]: a part of such a tensor, through an index
    VIEW = "view"  # h.t(), h.view(-1)[0]: the written tensor is h, through calls that give views
    TEMPORARY = "temporary"  # f(x).relu_(): nothing to bind the result to


class Usage(enum.StrEnum):
    """What becomes of the value of an in-place call."""

    STATEMENT = "statement"  # dropped: the call is a statement of its own
    REBOUND = "rebound"  # x = x.relu_(): bound to the very name that was written, and to nothing else
    VALUE = "value"  # anything else: r = x.relu_(), return x.relu_(), f(x.relu_())


@dataclass(frozen=True, slots=True)
class Span:
    """Half-open range of code-point offsets in one part's text."""

    start: int
    end: int

    def contains(self, other: Span) -> bool:
        """True if `other` lies inside this span (equal spans included)."""
        return self.start <= other.start and other.end <= self.end

    def overlaps(self, other: Span) -> bool:
        """True if the two spans share at least one code point."""
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the text of `span` by `text`; an empty span inserts."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Related:
    """A second place that explains a finding: saved here, needed there, other reader."""

    span: Span
    message: str


@dataclass(frozen=True, slots=True)
class Site:
    """One place where a tensor is, or may be, written in place.

    `op` is the catalogue's name of the writer: `Tensor.add_`, `torch.relu_`,
    `torch.nn.functional.relu(inplace=)`, `torch.nn.ReLU(inplace=)`, `torch.add(out=)`,
    `Tensor.__iadd__`, `Tensor.__setitem__`, `Tensor.data`.
    `statement` is the text that a rewrite may replace: the innermost simple statement,
    or the header expression of a compound one (`if x.relu_():`).
    """

    rule: str
    op: str
    target: str
    span: Span
    statement: Span
    function: str
    certainty: Certainty


@dataclass(frozen=True, slots=True)
class Hazard:
    """A fact that forbids the rewrite: the name of a refusal and the sentence a user reads."""

    refusal: str
    sentence: str
    related: tuple[Related, ...] = ()


@dataclass(frozen=True, slots=True)
class Keeper:
    """Code that may keep a tensor which is written later; see Note [Kept in a branch] in `detect/keepers.py`.

    at: where its last instruction is told from all others. text: as it is written, shortened.
    doubt: the sentence about it.
    mute: nobody uses the value of the call, and what is called may have been passed in.
    """

    at: Span
    text: str
    doubt: str
    mute: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an in-place module (`self.relu(x)`): the caller's tensor is written there too.

    `usage`, `target`, `place` and `read_later` mean what they mean in `Facts`, for the call's first argument.
    whole: the call returns the very tensor that it writes.  `nn.Sequential(nn.ReLU(True), nn.Linear(4, 4))` does not;
    head: the part of such a module that writes, `self.body[0]`, if that may come first by itself: what it does to
    its own result changes nothing.
    argument: where the written tensor is passed; the first argument if None.

    A function that writes its parameter, and hands the new tensor back instead, is called in the same way.
    """

    span: Span
    statement: Span
    target: str
    place: Place
    usage: Usage
    read_later: bool
    whole: bool = True
    head: str | None = None
    argument: Span | None = None


@dataclass(frozen=True, slots=True)
class View:
    """One operation that gives a view: its name, and the text around its operand (`torch.t(` and `)`).

    `op` is the name of torch's method (`transpose`), or `index` for a subscript; `arguments` are the texts of its
    arguments, of a subscript the index.
    """

    op: str
    before: str
    after: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Holder:
    """A name that certainly holds the tensor of its family's root, seen through `steps`; none: the very tensor.

    live: the name is read after the write.
    ahead: it was written while nobody read the root any more, which may not have its elements.
    copies: a step may have given a copy; made from a clone of the root it is one again.
    """

    name: str
    steps: tuple[View, ...]
    live: bool
    ahead: bool = False
    copies: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What detection knows about a site; the conditions of exactness are decided on these alone.

    tracked: target or value requires grad with grad mode on; None if that cannot be told.
    hazards: each one refuses the rewrite (somebody else looks, not assignable, ...).
    doubts: sentences; each one forbids the verdict `safe`, none forbids a proof by running.
    keepers: what some of the doubts are about.
    assumes: sentences; conditions that `safe` states in the finding ("assumes one dtype").
    parameter: the parameter whose caller may see the write; the rewrite is then `hidden-caller`.
    usage: what becomes of the call's value (methods, functions, flags); STATEMENT for the rest.
    read_later: the target's name is read after the statement before it is bound again.
    lost: others may hold the tensor, and nothing in the function reads the name after this write or a later one to it.
    in_loop: the statement runs more than once per call of its function.
    first: within its statement nothing that computes or has an effect runs before the write, so that it can be hoisted.
    mixed: operands may have a wider dtype than the target, so that the plain form could promote.
    flows: a gradient may flow to what is written.
    summed: the target is a tensor by what is added to it alone, and may have been a number before.
    relaid: the result of the out-of-place op may have other strides, which the file can see; a clone keeps them.
    renamed: the out-of-place op has another name in the graph, which the file can see.
    cloned: nothing is run, and only a clone that the same op writes is the same for certain.
    gaps: the tensor's elements do not lie next to each other, as those of a new one do, which the file can see.
    complex: the tensor may be complex, and torch has no gradient for some scatters of such.
    mask: for a subscript, the index is a boolean tensor that certainly has the target's shape.
    rows_of: for a loop variable, the names that are read later and hold the tensor that it is a row of.
    listed: the containers of the function's own, with a tensor of its own in each place, that are read later and hold
    the tensor; with others among them, "" is one.
    holders: the names that are read later and hold the tensor, with the place for lists that are written down
    (`pair[0]`); "" for others.
    born: where the tensor was made, as offsets of expressions; -1 unless assignments of this function did, each to a
    name that held it alone then.
    sharers: the names that are read later and hold the tensor, or a container or an object with it; "" for attributes.
    asked: the names that are read later and, as no view made any of them, are the very tensor or share nothing with
    it; with others among them, "" is one.
    each: a list of tensors is written that the new ones can be bound to: names, or a list of the function's own.
    part: the written part is certainly a view, by numbers and slices, and no copy that an index made.
    scalar: the stored value is a Python number.
    perhaps: the flag may be off, for some caller or some other instance, so that nothing is written then.
    torch: the name under which torch itself is bound here, or None.
    family: the names that certainly share the target's storage, the root of all views first; empty if no other does.
    through: for a view without a name, the operations that lead to it from the target.
    module_calls: for an in-place module or flag in a constructor, the calls that were found.
    all_calls_seen: no other call of that module can exist.
    hand_back: for a written parameter whose callers look at it and are all seen (they are in `module_calls`): the edit
    that makes the function return it, empty where it does already.
    excused: what a comparison of the function's calls may see: that it no longer writes its argument, or returns more.
    """

    place: Place
    tracked: bool | None = None
    hazards: tuple[Hazard, ...] = ()
    doubts: tuple[str, ...] = ()
    keepers: tuple[Keeper, ...] = ()
    assumes: tuple[str, ...] = ()
    parameter: str | None = None
    usage: Usage = Usage.STATEMENT
    read_later: bool = False
    lost: bool = False
    in_loop: bool = False
    first: bool = True
    mixed: bool = False
    flows: bool = False
    cloned: bool = False
    summed: bool = False
    relaid: bool = False
    renamed: bool = False
    gaps: bool = False
    complex: bool = False
    mask: bool = False
    rows_of: frozenset[str] = frozenset()
    listed: frozenset[str] = frozenset()
    each: bool = False
    holders: frozenset[str] = frozenset()
    born: frozenset[int] = frozenset()
    sharers: frozenset[str] = frozenset()
    asked: frozenset[str] = frozenset()
    part: bool = False
    scalar: bool = False
    perhaps: bool = False
    torch: str | None = None
    family: tuple[Holder, ...] = ()
    through: tuple[View, ...] = ()
    module_calls: tuple[Call, ...] = ()
    all_calls_seen: bool = False
    hand_back: tuple[Edit, ...] = ()
    excused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """A site with its facts: what detection hands to the rewrites."""

    site: Site
    facts: Facts


class Verdict(enum.StrEnum):
    """What is claimed about a fix; see section 6 of the design."""

    PROVED = "proved"
    SAFE = "safe"
    UNPROVED = "unproved"
    REFUTED = "refuted"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a proof rests on; every figure was computed in the run that is reported."""

    probe: str
    values: int
    gradients: int
    difference: float
    checks: tuple[str, ...]
    checks_not_run: tuple[str, ...]
    runs: int
    seeds: tuple[int, ...]
    isolation: str
    framework: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ruling:
    """A verdict with its reason (a name of `names.py`), one sentence, and the evidence if something ran."""

    verdict: Verdict
    reason: str | None = None
    sentence: str = ""
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Fix:
    """Edits that must be applied together; `ruling` is None until something was decided.

    `safe` is the static half of the verdict: all conditions follow from static facts.
    `parameter` names the argument whose caller sees the write today and would not see it afterwards.
    `excused`: beginnings of the paths that may differ between runs, since every caller in sight was looked at.
    `keepers`: what may keep the written tensor, where nothing shows that it does.
    """

    group: int
    rewrite: str
    title: str
    edits: tuple[Edit, ...]
    safe: bool
    parameter: str | None = None
    doubts: tuple[str, ...] = ()
    assumes: tuple[str, ...] = ()
    excused: tuple[str, ...] = ()
    keepers: tuple[Keeper, ...] = ()
    ruling: Ruling | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """No change, and why: a name of `names.py` and one sentence."""

    refusal: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What every report reads: a site, a message, and exactly one outcome."""

    rule: str
    site: Site
    message: str
    outcome: Fix | Refused
    related: tuple[Related, ...] = ()
    cost: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about the input that is not a site: 9xx rules and failures of ours."""

    rule: str
    path: str
    message: str
    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True)
class Analysis:
    """All findings of one source, those that were suppressed, and the problems met."""

    path: str
    findings: tuple[Finding, ...] = ()
    suppressed: tuple[Finding, ...] = ()
    problems: tuple[Problem, ...] = field(default=())
