"""Which forward hooks may hand their output back: nobody else calls them, and nobody else is handed the output."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest
from choosing import Program, program

from fixinplace.repair.forms import hook_return

TEXT = """
def prune(module, args, output):
    output.mul_(0.5)


def main():
    net = nn.Sequential(mlp(4, 4), nn.Sigmoid())
    net[1].register_forward_hook(prune)
    net(torch.randn(2, 4)).sum().backward()
    return [net]
"""
MODULE = "/lib/torch/nn/modules/module.py"
METHOD = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.act = nn.Sigmoid()
        self.act.register_forward_hook(self.prune)

    def prune(self, module, args, output):
        output.mul_(0.5)

    def forward(self, x):
        return self.act(x)


def main():
    return [Net()]
"""
FACTORY = """
def pruned(rate):
    def prune(module, args, output):
        output.mul_(0.5)

    return prune


def main():
    net = nn.Sequential(mlp(4, 4), nn.Sigmoid())
    handles = [net[n].register_forward_hook(pruned(0.5)) for n in (1,)]
    net(torch.randn(2, 4)).sum().backward()
    return [net]
"""


def proposed(text: str, caller: str = MODULE, names: tuple[str, ...] = ("output",), complete: bool = True) -> list[str]:
    """The lines that the form adds for a write in `prune`, called by `caller` while `names` hold the tensor."""
    one: Program = program(text, "nn.Sigmoid()", "output.mul_(0.5)", "def main()", rule="FIP104", by="operator")
    scene = one.scene
    (write,) = scene.offence.writes
    assert write.place is not None
    stack = (write.place, replace(write.place, file=caller, line=1))
    write = replace(write, stack=stack, names=names, names_complete=complete)
    found = hook_return.propose(replace(scene, offence=replace(scene.offence, writes=(write,))))
    return [row for each in found for row in one.patched(each).splitlines() if row not in one.text.splitlines()]


@pytest.mark.parametrize("text", [TEXT, METHOD, FACTORY])
def test_a_hook_hands_back(text: str):
    assert [row.strip() for row in proposed(text)] == ["return output.mul(0.5)"]


OTHERS = {
    "it is called by hand": TEXT.replace("    return [net]", "    prune(None, (), torch.ones(2))\n    return [net]"),
    "it is handed to somebody else": TEXT.replace("    return [net]", "    keep(prune)\n    return [net]"),
    "another hook may keep the output": TEXT.replace(
        "    net(torch", "    net[1].register_forward_hook(lambda m, i, o: kept.append(o))\n    net(torch"
    ),
    "a hook before the module": TEXT.replace("register_forward_hook", "register_forward_pre_hook"),
    "a hook of all modules": TEXT.replace("net[1].register_forward_hook", "register_module_forward_hook"),
    "it returns something": TEXT.replace("output.mul_(0.5)", "output.mul_(0.5)\n    return output"),
    "it ends early": TEXT.replace("output.mul_(0.5)", "output.mul_(0.5)\n    if module:\n        return"),
    "another function of this name": TEXT
    + "\nclass Probe:\n    def prune(self, module, args, output):\n        pass\n",
    "a method of another object": METHOD.replace("hook(self.prune)", "hook(other.prune)"),
    "its factory keeps it": FACTORY.replace("    return prune\n", "    HOOKS.append(prune)\n    return prune\n"),
    "its factory returns another one as well": FACTORY.replace(
        "    return prune\n", "    if not rate:\n        return print\n    return prune\n"
    ),
    "its factory is called elsewhere": FACTORY.replace(
        "    return [net]", "    pruned(1)(None, (), kept)\n    return [net]"
    ),
    "its factory is handed to somebody else": FACTORY.replace("    return [net]", "    keep(pruned)\n    return [net]"),
    "it is decorated": TEXT.replace("def prune", "@traced\ndef prune"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_else_looks_at_the_output_forbids_it(name: str):
    assert OTHERS[name] not in (TEXT, METHOD, FACTORY)
    ast.parse(OTHERS[name])
    assert proposed(OTHERS[name]) == []


def test_who_calls_and_who_holds_decide():
    assert proposed(TEXT, caller="/project/other.py") == []
    assert proposed(TEXT, names=("output", "self.last")) == []
    assert proposed(TEXT, complete=False) == []
    assert proposed(TEXT, names=("output", "kept[0]")) != []
