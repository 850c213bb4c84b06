"""Patches as short as an expert's: rows by number, augmented stores, and the shortest of several right ones."""

from __future__ import annotations

import pytest
from choosing import PATH, code, place
from proposing import function, offence, patched, proposed
from test_repair_search import FIRST, SECOND, TEXT, Fake, lines_of
from test_repair_search import offence as saved

from fixinplace.model import Ruling, Verdict
from fixinplace.repair.base import Change, Proposal, Repair, Tier
from fixinplace.repair.budget import Budget
from fixinplace.repair.search import Search
from fixinplace.verify.probes import Probe

ONE = "for h in x:\n    h.sub_(lr)\nreturn x"
BY_NUMBER = {
    "rows": (ONE, ["for i in range(len(x)):", "x[i].sub_(lr)"]),
    "augmented, twice": (ONE.replace("h.sub_(lr)", "h -= h.mean()"),
                         ["for i in range(len(x)):", "x[i] -= x[i].mean()"]),
    "a part": (ONE.replace("h.sub_(lr)", "h[0] = lr"), ["for i in range(len(x)):", "x[i][0] = lr"]),
    "a loop that is left": (ONE.replace("(lr)", "(lr)\n    break"), ["for i in range(len(x)):", "x[i].sub_(lr)"]),
    "unbound": (ONE.replace("x:", "x.unbind(1):"), ["for i in range(x.size(1)):", "x[:, i].sub_(lr)"]),
    "from behind": (ONE.replace("x:", "x.unbind(-2):"), ["for i in range(x.size(-2)):", "x[..., i, :].sub_(lr)"]),
    "counted": (ONE.replace("h in x", "n, h in enumerate(x)"), ["for n in range(len(x)):", "x[n].sub_(lr)"]),
    "beside one": (ONE.replace("h in x", "h, m in zip(x, skip)").replace("lr", "m"),
                   ["for i, m in enumerate(skip):", "x[i].sub_(m)"]),
    "beside two, counted": (ONE.replace("h in x", "n, (m, h, s) in enumerate(zip(skip, x, act))").replace("lr", "m"),
                            ["for n, (m, s) in enumerate(zip(skip, act)):", "x[n].sub_(m)"]),
    "a name that is taken": (ONE.replace("lr)", "i)"), ["for index in range(len(x)):", "x[index].sub_(i)"]),
    "counted from one": (ONE.replace("h in x", "n, h in enumerate(x, 1)"), []),
    "read behind the loop": (ONE + " + h", []),
    "a row bound anew": (ONE.replace("h.sub_", "h = h + 1\n    h.sub_"), []),
    "the whole bound anew": (ONE.replace("h.sub_(lr)", "h.sub_(lr)\n    x = x + 1"), []),
    "kept for later": (ONE.replace("h.sub_(lr)", "h.sub_(lr)\n    act.append(lambda: h)"), []),
    "pieces": (ONE.replace("x:", "x.chunk(2):"), []),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_NUMBER)
def test_rows_are_written_by_their_numbers(name: str):
    body, lines = BY_NUMBER[name]
    text = function(body)
    write = next(line for line in map(str.strip, text.split("\n")) if line.startswith(("h.sub_", "h -=", "h[0]")))
    found = [each for each in proposed(text, offence(text, write, None, "FIP204")) if "written as" in each.title]

    assert [patched(text, each) for each in found] == [lines] * bool(lines)


JOINED = {
    "the last part": ("x[:, lr:] = x[:, lr:] * s + act", "x = torch.cat([x[:, :lr], x[:, lr:] * s + act], dim=1)"),
    "the first part": ("x[:2] = s * x[:2] + 1", "x = torch.cat([s * x[:2] + 1, x[2:]], dim=0)"),
    "from behind": ("x[..., -2:] = act(x[..., -2:])", "x = torch.cat([x[..., :-2], act(x[..., -2:])], dim=-1)"),
    "an attribute": ("x[:, self.k:] = x[:, self.k:].exp()",
                     "x = torch.cat([x[:, :self.k], x[:, self.k:].exp()], dim=1)"),
    "a part in the middle": ("x[:, 1:3] = s * x[:, 1:3] + 1", None),
    "every second": ("x[::2] = s * x[::2] + 1", None),
    "a part of a row": ("x[0, lr:] = s * x[0, lr:] + 1", None),
    "a part of a column": ("x[lr:, 0] = s * x[lr:, 0] + 1", None),
    "a constant": ("x[:, lr:] = 0", None),
    "a limit that is computed": ("x[:, lr():] = s * x[:, lr():] + 1", None),
}  # fmt: skip


@pytest.mark.parametrize("name", JOINED)
def test_a_store_into_one_end_is_joined(name: str):
    store, line = JOINED[name]
    text = function(f"s = self.f(x)\n{store}\nreturn x, s")
    one = offence(text, store, "self.f(x)")
    found = [patched(text, each) for each in proposed(text, one) if each.repair == "joined-parts"]

    assert found == [[line]] * (line is not None)


AUGMENTED = {
    "times": ("x[:, i] = x[:, i] * lr", "x[:, i] *= lr"),
    "from the right": ("x[i] = lr + x[i]", "x[i] += lr"),
    "a sum": ("x[i] = x[i] - (lr + skip)", "x[i] -= lr + skip"),
    "not the other way round": ("x[i] = lr - x[i]", None),
    "another place": ("x[i] = x[i - 1] * lr", None),
    "a place that a call gives": ("x[act()] = x[act()] * lr", None),
}


@pytest.mark.parametrize("name", AUGMENTED)
def test_a_store_that_reads_its_own_place_is_augmented(name: str):
    line, wanted = AUGMENTED[name]
    text = function(f"for i in range(3):\n    {line}\nreturn x")
    found = [each for each in proposed(text, offence(text, line, line.split("= ", 1)[1])) if "augm" in each.repair]

    assert [patched(text, each) for each in found] == ([[wanted]] if wanted else [])
    elsewhere = function(f"y = x.exp()\nfor i in range(3):\n    {line}\nreturn y")
    assert "augmented-store" not in {each.repair for each in proposed(elsewhere, offence(elsewhere, line, "x.exp()"))}


LONG = """import torch


def f(x, skip):
    h = x.exp()
    flat = h.view(-1)
    flat += skip
    return h.sin()
"""


@pytest.mark.parametrize(
    ("wrong", "lines"),
    [
        (frozenset(), {"h = x.exp().clone()"}),
        (frozenset({"h = x.exp().clone()"}), {"flat = flat + skip", "h = flat.reshape(h.shape)"}),
    ],
)
def test_a_shorter_proposal_is_taken_where_it_is_right_as_well(wrong: frozenset[str], lines: set[str]):
    program, fake = code(LONG), Fake(wrong, (("flat += skip", "x.exp()"),))
    search = Search(Probe("script", PATH, None), lambda path: program, fake, Budget(), lambda line: None)
    found = search.run([saved(LONG, "flat += skip", "x.exp()")])

    assert found.proved and found.best is not None
    assert set(lines_of(found.best.attempt.rewritten[0].text) - lines_of(LONG)) == lines
    assert found.best.attempt.length == len(lines)


@pytest.mark.parametrize(
    ("refuted", "caveat", "shared"), [("-", "", True), ("h = x.exp() + 0", "", False), ("-", "it warns", False)]
)
def test_one_edit_for_two_culprits_is_tried_in_place_of_two(
    monkeypatch: pytest.MonkeyPatch, refuted: str, caveat: str, shared: bool
):
    program = code(TEXT)

    def proposal(old: str, new: str, rank: int, *caveats: str) -> Proposal:
        edit = program.replace(program.at(place(program, old)), new)  # type: ignore[arg-type]
        return Proposal("maker", Tier.PATCH, new, (Change(PATH, (edit,)),), rank=rank, caveats=caveats)

    common = proposal("h = x.exp()", "h = x.exp() + 0", 5, *([caveat] if caveat else []))
    own = {"h += skip": proposal("h += skip", "h = h + skip", 1), "g *= 2": proposal("g *= 2", "g = g * 2", 1)}
    form = Repair("maker", "", "", lambda scene: [own[scene.offence.writes[0].place.text], common])  # type: ignore[union-attr]
    monkeypatch.setattr("fixinplace.repair.proposed.repairs", lambda: (form,))

    class Both(Fake):
        """Right with the common edit, or with both of the others."""

        def _rule(self, text: str) -> Ruling:
            here = lines_of(text)
            right = "h = x.exp() + 0" in here or {"h = h + skip", "g = g * 2"} <= here
            return Ruling(*((Verdict.PROVED,) if right and refuted not in here else (Verdict.REFUTED, "state-differs")))

    search = Search(Probe("script", PATH, None), lambda path: program, Both(), Budget(), lambda line: None)
    found = search.run([saved(TEXT, *FIRST), saved(TEXT, *SECOND)])

    assert found.proved and found.best is not None
    assert found.best.attempt.proposals == ((common,) if shared else tuple(own.values()))
