"""A refused write to a parameter that a forward takes under a name of its own: never a patch, always a choice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from choosing import PATH, code, place
from proposing import HEAD, offence, patched

from fixinplace.repair.base import Files, Proposal, Tier
from fixinplace.repair.proposed import culprits
from fixinplace.verify import unshared

NOTE = "it is the parameter `self.scale`"
SHARING = f"{NOTE}; elements of the tensor share memory: clone it before it is written"
LAYER = """class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, 4))

    def forward(self, x):
        BODY
"""


def offered(body: str, write: str, note: str = NOTE, rule: str = "FIP203", layer: str = LAYER) -> list[Proposal]:
    text = HEAD + layer.replace("BODY", body.replace("\n", "\n        "))
    program = code(text)
    files: Files = lambda path: program if path == PATH else None  # noqa: E731
    (culprit,) = culprits([replace(offence(text, write, None, rule), note=note)], files)
    found = [each for tier in Tier for each in culprit.of(tier)]
    return sorted(found, key=lambda each: each.rank)


def lines(body: str, found: list[Proposal], layer: str = LAYER) -> list[list[str]]:
    text = HEAD + layer.replace("BODY", body.replace("\n", "\n        "))
    return [patched(text, each) for each in found]


UNDER = "with torch.no_grad():"
BODIES = {
    "whole": ("s = self.scale\ns *= x.mean()\nreturn x * s", "s *= x.mean()", ["s = s * x.mean()"]),
    "a view": ("s = self.scale.squeeze(0)\ns += 1\nreturn x * s", "s += 1", ["s = s + 1"]),
    "a part": ("s = self.scale.view(-1)\ns[0] = 0\nreturn x * s", "s[0] = 0", ["s = self.scale.view(-1).clone()"]),
    "an expression": ("s = x if x is None else self.scale\ns[0] = 0\nreturn x * s", "s[0] = 0",
                      ["s = (x if x is None else self.scale).clone()"]),
    "one of two": ("s = x\nif s is None:\n    s = self.scale\ns *= 2\nreturn x * s", "s *= 2", ["s = s * 2"]),
    "one of a pair": ("s, y = self.scale, x\ns *= 2\nreturn y * s", "s *= 2", ["s = s * 2"]),
    "an argument": ("return self.by(self.scale)\n\ndef __call__(self, s):\n    s *= 2\n    return s", "s *= 2",
                    ["s = s * 2"]),
    "twice": ("s = self.scale\ns *= 2\ns.clamp_(max=1)\nreturn x * s", "s *= 2", ["s = self.scale.clone()"]),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_a_value_or_the_parameter_itself_is_a_choice(name: str):
    body, write, value = BODIES[name]
    found = offered(body, write)

    assert {each.tier for each in found} == {Tier.CHOOSE}
    assert lines(body, found) == [value, [UNDER, write]]
    assert all("`self.scale`" in each.meaning for each in found)


def test_a_function_that_returns_what_it_computes_is_a_forward_by_another_name():
    body = "s = self.scale\ns /= s.norm()\nreturn x @ s.t()"
    layer = LAYER.replace("forward(", "scores(")
    found = offered(body, "s /= s.norm()", layer=layer)

    assert lines(body, found, layer) == [["s = s / s.norm()"], [UNDER, "s /= s.norm()"]]


def test_elements_that_share_memory_are_never_written_in_place():
    body = "s = self.scale.expand(3, -1)\ns[0] = x\nreturn x * s"
    found = offered(body, "s[0] = x", SHARING)

    assert [each.tier for each in found] == [Tier.PATCH]
    assert lines(body, found) == [["s = self.scale.expand(3, -1).clone()"]]


SET = LAYER.replace("forward(", "set(")
OTHERS = {
    "given back": ("s = self.scale\ns *= 0.5\nreturn s", "s *= 0.5", SET, NOTE),
    "given back beside others": ("s = self.scale\ns *= 0.5\nreturn s, x", "s *= 0.5", SET, NOTE),
    "the parameter by its own name": ("self.scale *= 0.5\nreturn x * self.scale", "self.scale *= 0.5", LAYER, NOTE),
    "not read again": ("s = self.scale\ns[0] = 0\nreturn x * self.scale", "s[0] = 0", LAYER, NOTE),
    "only written again": ("s = self.scale\ns[0] = 0\ns[1] = 1\nreturn x", "s[0] = 0", LAYER, NOTE),
    "elsewhere": ("s = self.scale\ns[0] = 0\nself.start = s", "s[0] = 0", SET, NOTE),
    "a loop over parameters": ("for s in self.parameters():\n    s[0] = 0\n    x = x * s\nreturn x", "s[0] = 0", LAYER,
                               NOTE),
    "no parameter": ("s = x.detach().requires_grad_()\ns *= 2\nreturn s", "s *= 2", LAYER, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_what_means_the_parameter_is_still_a_patch(name: str):
    body, write, layer, note = OTHERS[name]
    found = offered(body, write, note, "FIP202", layer)

    assert found
    assert not [each for each in found if each.tier is Tier.CHOOSE]


def test_a_function_that_a_forward_calls_is_part_of_it():
    layer = LAYER.replace("BODY", "return x * self.scaled(x)\n\n    def scaled(self, x):\n        BODY")
    body = "s = self.scale\ns *= x.mean()\nreturn s"
    text = HEAD + layer.replace("BODY", body.replace("\n", "\n        "))
    program = code(text)
    one = replace(offence(text, "s *= x.mean()", None, "FIP202"), note=NOTE)
    write = one.writes[0]
    assert write.place is not None
    inside, outside = replace(write.place, function="Layer.scaled"), place(program, "self.scaled(x)")
    files: Files = lambda path: program if path == PATH else None  # noqa: E731
    for caller, tier in (("Layer.forward", Tier.CHOOSE), ("Layer.reset", Tier.PATCH)):
        stack = (inside, replace(outside, function=caller))
        (culprit,) = culprits([replace(one, writes=(replace(write, place=inside, stack=stack),))], files)
        assert bool(culprit.of(tier))
        assert bool(culprit.of(Tier.PATCH)) is (tier is Tier.PATCH)


MODEL = """import torch
from torch import nn


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.query = nn.Parameter(torch.randn(1, 3, 4))

    def forward(self, x):
        q = self.query + 1
        BODY
        return q + (q @ x.transpose(1, 2)).softmax(-1) @ x


def main():
    torch.manual_seed(0)
    net = Decoder()
    loss = net(torch.randn(2, 5, 4)).square().mean()
    loss.backward()
    return loss, net.query, net.query.grad
"""
EXPANDED = "q = q.expand(2, -1, -1)\nq += x.mean(1, True)"
CASES = {
    "one name": (EXPANDED, ["+        q = q + x.mean(1, True)"]),
    "broadcast": (EXPANDED.replace("q.expand(2, -1, -1)", "torch.broadcast_to(q, (2, 3, 4))"),
                  ["+        q = q + x.mean(1, True)"]),
    "another name": (EXPANDED.replace("\n", "\nkeep = q\n") + "\nq = q * keep", []),
    "the parameter": (EXPANDED.replace("q = q.", "q = self.query."), ["+        q = q + x.mean(1, True)"]),
    "the parameter's view": ("q = self.query.view(1, 3, 4)\nq += x[:1].mean(1, True)", None),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_command_proves_what_leaves_one_meaning(name: str, command: Any):
    """Another name of an expanded tensor has to see the write; in a parameter's own memory nothing is proved."""
    body, added = CASES[name]
    text = MODEL.replace("BODY", body.replace("\n", "\n        "))
    Path("train.py").write_text(text)
    data = json.loads(command("repair", "--output-format", "json", "train.py::main").stdout)
    patch = data["patch"]

    if added is None:
        assert (data["status"], patch, len(data["choices"])) == ("choice", None, 2)
        assert not any(each["verdict"] == "proved" for each in data["choices"])
    elif added:
        assert patch["verdict"] == "proved"
        assert [line for line in patch["diff"].splitlines() if line[:2] == "+ "] == added
    else:
        refuted = [each for each in data["tried"] if "q = q + x" in each["diff"] and "keep = q +" not in each["diff"]]
        assert all(each["verdict"] != "proved" for each in refuted)
        assert patch is None or patch["verdict"] != "proved" or "keep" in patch["diff"] or "clone()" in patch["diff"]


def test_what_shares_memory_is_cloned_as_it_is_made(monkeypatch: pytest.MonkeyPatch):
    for home, name in unshared._MAKERS:
        monkeypatch.setattr(home, name, getattr(home, name))
    x = torch.ones(1, 3, requires_grad=True)
    assert unshared.shares(x.expand(2, 3))
    unshared.install()

    for made in (x.expand(2, 3), x.expand_as(torch.ones(2, 3)), x.broadcast_to(2, 3), torch.broadcast_to(x, (2, 3))):
        assert not unshared.shares(made)
        made.add_(1)
    assert x.expand(1, 3).data_ptr() == x.data_ptr()
    made.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[2, 2, 2]]
