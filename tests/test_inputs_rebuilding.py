"""Functions that put other parts into a network: which they are, and that a class is run as they leave it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from test_inputs_switches import searched

from fixinplace.inputs.rebuilding import rebuilders
from fixinplace.model import Verdict
from fixinplace.verify import search
from fixinplace.verify.runner import Runner

ENCODER = """
class Encoder(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.fc, self.norm = nn.Linear(dim, dim), nn.LayerNorm(dim)

    def forward(self, x):
        y = self.fc(x)
        h = self.norm(y)
        h += x
        return h, y
"""

FOLD = """
def fold(model):
    for name, child in list(model.named_children()):
        if isinstance(child, nn.LayerNorm):
            model._modules[name] = nn.Identity()
        else:
            fold(child)
    return model
"""

WAYS = {
    "entries of `_modules`": FOLD,
    "`setattr`, by another function": """
def replace(parent, old, new):
    for name, child in parent.named_children():
        if type(child) is old:
            setattr(parent, name, new())
        replace(child, old, new)

def without_norms(net):
    replace(net, nn.LayerNorm, nn.Identity)
""",
    "another forward": """
def bypass(model, kind=nn.LayerNorm):
    for part in model.modules():
        if isinstance(part, kind):
            part.forward = lambda t: t
    return model
""",
    "another class": """
def fold(model):
    def visit(part):
        if isinstance(part, nn.LayerNorm):
            part.__class__ = nn.Identity
    return model.apply(visit)
""",
}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (FOLD, ("fold",)),
        (WAYS["`setattr`, by another function"], ("without_norms",)),
        (WAYS["another forward"], ("bypass",)),
        (WAYS["another class"], ("fold",)),
        ("def count(model):\n    return sum(p.numel() for p in model.parameters())\n", ()),
        ("def swap(model, new):\n    model._modules['norm'] = new\n", ()),
        ("def rename(path):\n    path.forward = 1\n", ()),
        ("@hook\ndef swap(model):\n    model.forward = print\n", ()),
    ],
)
def test_functions_that_rebuild_a_network(text: str, wanted: tuple[str, ...]):
    assert rebuilders(ast.parse(text)) == wanted


@pytest.mark.slow
@pytest.mark.parametrize("name", WAYS)
def test_a_class_is_run_as_the_file_rebuilds_it(name: str, lab: Runner, tmp_path: Path):
    assert verdict(ENCODER + WAYS[name], lab, tmp_path) is not Verdict.PROVED


@pytest.mark.slow
def test_a_network_that_is_rebuilt_and_stays_right_is_proved(lab: Runner, tmp_path: Path):
    assert verdict(ENCODER.replace("return h, y", "return h") + FOLD, lab, tmp_path) is Verdict.PROVED


def verdict(text: str, lab: Runner, folder: Path) -> Verdict:
    """What is said of the one fix of a file by what is run for it."""
    path, fixes, made = searched(text, lab, folder)
    proof = search.prove(path.read_text(), str(path), fixes, made.probes, lab, unsettled=made.unsettled)
    (ruling,) = proof.rulings.values()
    return ruling.verdict
