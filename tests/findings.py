"""Findings built by hand, for tests of what happens to findings."""

from __future__ import annotations

import re

from fixinplace.model import Certainty, Edit, Evidence, Finding, Fix, Refused, Ruling, Site, Span, Verdict
from fixinplace.source import Source, parse

PROGRAM = """\
import torch

def forward(h, skip):
    h = torch.sigmoid(h)
    h += skip
    h.mul_(2)
    return h
"""


def source_of(text: str = PROGRAM, path: str = "model.py") -> Source:
    return parse(path, text.encode())


def site(text: str, snippet: str, rule: str = "FIP101", nth: int = 0) -> Site:
    """The site of the nth occurrence of a snippet that is a whole statement."""
    start = [match.start() for match in re.finditer(re.escape(snippet), text)][nth]
    span = Span(start, start + len(snippet))
    return Site(rule, "Tensor.__iadd__", "h", span, span, "forward", Certainty.TYPED)


def fixed(
    text: str, snippet: str, new: str, group: int = 0, *, rule: str = "FIP101", safe: bool = False, nth: int = 0,
    parameter: str | None = None, ruling: Ruling | None = None,
) -> Finding:  # fmt: skip
    where = site(text, snippet, rule, nth)
    fix = Fix(group, "augmented", "bind the sum to the name", (Edit(where.span, new),), safe, parameter, ruling=ruling)
    return Finding(rule, where, f"`{snippet}` overwrites h", fix)


def refused(text: str, snippet: str, refusal: str = "live-alias", *, rule: str = "FIP101") -> Finding:
    return Finding(
        rule, site(text, snippet, rule), f"`{snippet}` overwrites h", Refused(refusal, "`g` is read on line 9")
    )


EVIDENCE = Evidence(
    probe="model.py::main", values=3, gradients=14, difference=0.0, checks=("forward", "gradients", "state", "dtype"),
    checks_not_run=("stdout",), runs=6, seeds=(0, 1), isolation="landlock", framework="torch 2.13.0",
)  # fmt: skip

PROVED = Ruling(Verdict.PROVED, None, "", (EVIDENCE,))
SAFE = Ruling(Verdict.SAFE)


def unproved(reason: str, evidence: tuple[Evidence, ...] = ()) -> Ruling:
    return Ruling(Verdict.UNPROVED, reason, f"sentence about {reason}", evidence)


def refuted(reason: str) -> Ruling:
    return Ruling(Verdict.REFUTED, reason, "result['w'] differs by 0.5, tolerance 1e-6", (EVIDENCE,))
