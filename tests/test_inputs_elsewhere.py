"""Code that sets another part once it is called: made inputs do not call it, so they settle nothing about that part."""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

import pytest
from made_models import HEAD
from test_inputs_switches import searched

from fixinplace.inputs.elsewhere import set_elsewhere
from fixinplace.inputs.handing import reachable
from fixinplace.model import Verdict
from fixinplace.source import parse
from fixinplace.verify import search
from fixinplace.verify.runner import Runner

BLOCK = """
import torch.nn as nn

ACT = nn.ReLU()
TABLE = {{"relu": nn.ReLU}}


class Block(nn.Module):
    def __init__(self, d=8, kind="relu", parts=None):
        super().__init__()
        self.lin, self.act, self.last = nn.Linear(d, d), TABLE[kind](), nn.ModuleDict()
        {init}

    def forward(self, x):
        y = {call}
        y += 1
        return y * self.lin(x)
{method}

{rest}
"""


def block(rest: str = "", method: str = "", call: str = "self.act(self.lin(x))", init: str = "pass") -> str:
    method = textwrap.indent(textwrap.dedent(method), "    ")
    return BLOCK.format(rest=textwrap.dedent(rest), method=method, call=call, init=init)


SETS = {
    "a method": (block(method="def set_act(self, act):\n    self.act = act"), "self.act = act"),
    "a method that makes one": (block(method="def set_act(self, kind):\n    self.act = kind()"), "self.act = kind()"),
    "a function": (block("def change(model, act):\n    model.act = act"), "model.act = act"),
    "an identity": (block("def strip(model):\n    model.act = nn.Identity()"), "model.act = nn.Identity()"),
    "on one way": (block("def strip(m, a):\n    m.act = a if a else m.act"), "m.act = a if a else m.act"),
    "in a sequence": (block("def wrap(m, a):\n    m.act = nn.Sequential(nn.ReLU(), a)"),
                      "m.act = nn.Sequential(nn.ReLU(), a)"),
    "a bound function": (block("def patch(m, fn):\n    m.act = types.MethodType(fn, m)"),
                         "m.act = types.MethodType(fn, m)"),
    "a class of anybody's": (block("class Tool:\n    def use(self, model, act):\n        model.act = act"),
                             "model.act = act"),
    "a global": (block("def use(act):\n    global ACT\n    ACT = act", call="ACT(self.lin(x))"), "ACT = act"),
    "a table": (block("def register(name, cls):\n    TABLE[name] = cls"), "TABLE[name] = cls"),
    "a table at once": (block("def register(**more):\n    TABLE.update(more)"), "TABLE.update(more)"),
    "parts by key": (
        block("def put(m, k, v):\n    m.last[k] = v", call="self.last['a'](self.lin(x))"), "m.last[k] = v"),
    "parts that a loop runs": (
        block("def put(m, v):\n    m.last = v", call="x\n        for part in self.last: y = part(y)"), "m.last = v"),
    "a whole table": (block(init="self.last.update(parts)", call="self.last['a'](self.lin(x))"),
                      "self.last.update(parts)"),
    "a whole table of parts": (block(init="self.last = nn.ModuleDict(parts)"), "nn.ModuleDict(parts)"),
    "what is not called": (block("def put(model, v):\n    model.note = v"), None),
    "another layer": (block("def reset(model, n):\n    model.lin = nn.Linear(n, n)"), None),
    "weights": (block("def load(model, w):\n    model.lin.weight.data = w", call="self.lin.weight.data.mul(x)"), None),
    "a global that is not called": (block("def use(v):\n    global LOG\n    LOG = v"), None),
    "a table of others": (block("def note(k, v):\n    NOTES[k] = v"), None),
    "a table that only decorators fill": (
        block("def register(cls):\n    TABLE[cls.__name__] = cls\n    return cls\n@register\nclass A(nn.ReLU): pass"),
        None),
    "a table of its own": (block("def count(k, v):\n    TABLE = {}\n    TABLE[k] = 1"), None),
    "a method that the constructor calls": (
        block(method="def put(self, act):\n    self.act = act", init="self.put(parts)"), None),
    "a constructor": (block(init="self.act = parts or nn.ReLU()"), None),
}  # fmt: skip


@pytest.mark.parametrize("name", SETS)
def test_what_may_set_a_part(name: str):
    text, wanted = SETS[name]
    source = parse("model.py", text.encode())
    tree = ast.parse(text)

    found = set_elsewhere(tree, source.part, reachable(tree, "Block"))

    assert [each.text for each in found] == ([] if wanted is None else [wanted])
    for each in found:
        assert source.part.text[: each.at.end].endswith(each.text)


ADAPTER = """
class Adapter(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm, self.down = nn.LayerNorm(dim), nn.Linear(dim, dim)

    def change(self, norm):
        self.norm = norm

    def forward(self, x):
        h = self.norm(x)
        h += 1.0
        return x + torch.relu(self.down(h))
"""


@pytest.mark.slow
@pytest.mark.parametrize("change", ["self.norm = norm", "self.down = nn.Linear(norm, norm)"])
def test_a_part_that_is_set_elsewhere_is_not_settled(change: str, lab: Runner, tmp_path: Path):
    text = ADAPTER.replace("self.norm = norm", change)
    path, fixes, made = searched(text, lab, tmp_path)

    proof = search.prove(path.read_text(), str(path), fixes, made.probes, lab, unsettled=made.unsettled)

    (ruling,) = proof.rulings.values()
    if change == "self.norm = norm":
        assert (ruling.verdict, ruling.reason) == (Verdict.UNPROVED, "not-reached")
        line = (HEAD + text)[: (HEAD + text).index(change)].count("\n") + 1
        told = "may set a part that hands on what it is given, and no made input tells: it is chosen elsewhere"
        assert ruling.sentence == f"`{change}` in line {line} {told}"
    else:
        assert ruling.verdict is Verdict.PROVED, ruling
