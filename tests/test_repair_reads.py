"""One write that has spoilt several saved tensors: copies at every read, and no more than are needed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from choosing import PATH, code, place
from test_repair_search import Fake

from fixinplace.model import Edit, Ruling, Span, Verdict
from fixinplace.repair.base import Scene
from fixinplace.repair.budget import Budget
from fixinplace.repair.forms import clone_read
from fixinplace.repair.proposed import culprits
from fixinplace.repair.reads import EVERY, _together, copies, without
from fixinplace.repair.search import Search
from fixinplace.trace.events import Offence, Save, Write
from fixinplace.verify.bench import Texts
from fixinplace.verify.probes import Probe

TEXT = """import torch


def f(x):
    h = x.exp()
    y = h * h
    z = h * h.log()
    h.data.clamp_(min=0)
    return h + y + z
"""
EXP, MUL, LOG = (
    ("x.exp()", "ExpBackward0", True),
    ("h * h@1", "MulBackward0", False),
    ("h.log()", "LogBackward0", False),
)
Z = ("h * h.log()", "MulBackward0", False)


def offence(save: tuple[str, str, bool]) -> Offence:
    program = code(TEXT)
    at, saved = place(program, "h.data.clamp_(min=0)"), place(program, save[0])
    written = Write(2, "clamp_", at, (at,), names=("h",))
    return Offence(
        "FIP301", Save(1, "op", saved, (saved,), result=save[2]), (written,), None, node=save[1], silent=True
    )


def proposals(*saves: tuple[str, str, bool]) -> list[tuple[str, int]]:
    (culprit,) = culprits([offence(each) for each in saves], lambda path: code(TEXT) if path == PATH else None)
    return [(each.title, copies(each)) for each in culprit.proposals if each.kind == EVERY]


def test_a_copy_within_what_is_copied_is_made_there():
    text = "torch.sigmoid(self.f(a + b, q))"

    def copied(part: str, word: str) -> Edit:
        start = text.index(part)
        return Edit(Span(start, start + len(part)), word)

    outer, inner = copied(text, f"{text}.clone()"), copied("self.f(a + b, q)", "self.f(a + b, q).clone()")
    cuts = [("a.py", copied("a + b", "(a + b).clone()")), ("a.py", outer), ("b.py", inner), ("a.py", inner)]
    cuts += [("a.py", copied("b", "b.clone()")), ("a.py", copied("q", "q.clone()")), ("a.py", inner)]
    whole = "torch.sigmoid(self.f((a + b.clone()).clone(), q.clone()).clone()).clone()"
    assert {change.path: change.edits for change in _together(cuts)} == {
        "a.py": (replace(outer, text=whole),),
        "b.py": (inner,),
    }


@pytest.mark.parametrize(
    ("saves", "wanted"),
    [
        ((EXP, MUL), [("`x.exp()` and `h` cloned at every read", 3)]),
        ((EXP, LOG), []),  # the first copies are all that there are
        ((MUL, Z, LOG), [("`h` cloned at every read", 4)]),  # what is computed from a copy needs none of its own
        ((MUL,), []),
    ],
)
def test_copies_at_every_read(saves: tuple[tuple[str, str, bool], ...], wanted: list[tuple[str, int]]):
    assert proposals(*saves) == wanted


def test_the_last_copy_stays():
    (culprit,) = culprits([offence(EXP), offence(MUL)], lambda path: code(TEXT))
    (every,) = [each for each in culprit.proposals if each.kind == EVERY]
    one = without(replace(every), 0)
    assert one is not None and copies(one) == 2
    assert (two := without(one, 0)) is not None and without(two, 0) is None


class Needs(Fake):
    """A lab that finds the texts right in which all of these are copied."""

    needed: tuple[str, ...] = ()

    def _rule(self, text: str) -> Ruling:
        right = all(each in text for each in self.needed)
        return Ruling(Verdict.PROVED) if right else Ruling(Verdict.REFUTED, "gradient-differs")

    def trace(self, probe: Probe, texts: Texts) -> str:
        return "nothing is traced"


@pytest.mark.parametrize(
    ("needed", "copied"),
    [
        (("x.exp().clone()", "h.clone() * h.clone()\n", "h.clone() * h.clone().log()"), 5),
        (("h.clone() * h.clone()\n",), 2),
        ((" * h.clone()\n", "h.clone().log()"), 2),
    ],
)
def test_copies_that_nobody_needs_go_again(needed: tuple[str, ...], copied: int):
    fake = Needs()
    fake.needed = needed
    search = Search(Probe("script", PATH, None), lambda path: code(TEXT), fake, Budget(), lambda line: None)
    found = search.run([offence(each) for each in (EXP, MUL, Z, LOG)])

    assert found.proved
    assert found.best is not None
    assert found.best.attempt.rewritten[0].text.count(".clone()") == copied


TREE = """
import torch
from torch import nn


class Tree(nn.Module):
    def __init__(self):
        super().__init__()
        self.gates = nn.Linear(3, 3)
        self.last = nn.Linear(3, 1)

    def node(self, word, left, right):
        total = torch.sum(right, dim=0)
        gate = torch.sigmoid(self.gates(right) + self.gates(word + total))
        state = torch.tanh(word) + torch.sum(torch.mul(gate, left), dim=0)
        return state, torch.mul(word, torch.tanh(state))

    def forward(self, words):
        inner, outer = torch.zeros(4, 3), torch.zeros(4, 3)
        for at, word in enumerate(words):
            if at:
                first, second = inner[:at], outer[:at]
            else:
                first = second = torch.zeros(1, 3)
            inner[at], outer[at] = self.node(word, first, second)
        return self.last(outer[-1]).sum()


def main():
    torch.manual_seed(4)
    tree = Tree()
    loss = tree(torch.randn(4, 3))
    loss.backward()
    return loss, [p.grad for p in tree.parameters()]
""".lstrip()


def test_what_a_helper_keeps_is_cloned_where_the_writer_gives_it():
    """Two tensors are written in one line, and what shares their memory was given to the helper by other names."""
    program = code(TREE)
    texts = ("inner[at]", "outer[at]", "torch.mul(gate, left)", "self.node(word, first, second)")
    at, beside, saved, given = (place(program, each) for each in texts)
    kept = Save(1, "mul", saved, (saved, given))
    scene = Scene(
        Offence("FIP109", kept, (Write(2, "copy_", at, (at,)), Write(3, "copy_", beside)), None), {PATH: program}.get
    )

    (proposal,) = [each for each in clone_read.REPAIR.propose(scene) if "`first`" in each.title]

    (change,) = proposal.changes
    assert [edit.text for edit in change.edits] == ["first.clone()", "second.clone()"]
