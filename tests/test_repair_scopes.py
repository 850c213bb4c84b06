"""What a method calls a module by names of its own, in the words of the other methods of its class."""

from __future__ import annotations

import ast
import textwrap
from dataclasses import replace

import pytest
from choice_programs import PROGRAMS
from choosing import code

from fixinplace.repair.base import Scene
from fixinplace.repair.steps.optimizers import Optimizers
from fixinplace.repair.steps.scopes import everywhere

METHODS = {
    "an attribute": ("a = self.agent", "a.actor", "self.agent.actor"),
    "an attribute of an attribute": ("a = self.agent.net", "a.actor", "self.agent.net.actor"),
    "over two names": ("b = self.agent\na = b.net", "a.actor", "self.agent.net.actor"),
    "a parameter that is kept": ("self.agent = given", "given.actor", "self.agent.actor"),
    "a value that is kept": ("net = Net()\nself.net = net", "net", "self.net"),
    "kept at once": ("self.net = net = Net()", "net.body", "self.net.body"),
    "one of two": ("self.body, self.head = body, head = Net(), Net()", "head", None),
    "one by one": ("body, head = Net(), Net()\nself.body, self.head = body, head", "head", "self.head"),
    "of self already": ("a = self.agent", "self.net", "self.net"),
    "of the file": ("a = self.agent", "NET.body", "NET.body"),
    "not kept": ("net = Net()", "net", None),
    "a parameter that is not kept": ("pass", "given.actor", None),
    "bound twice": ("a = self.agent\na = self.other", "a.actor", None),
    "the attribute bound twice": ("self.net = given\nself.net = wrap(given)", "given", None),
    "of a loop": ("for net in self.nets:\n    pass", "net", None),
    "by an index": ("nets = self.nets", "nets[0]", None),
    "an item of self": ("nets = self.nets", "self.nets[0]", "self.nets[0]"),
    "of a comprehension": ("p = [p for m in self.nets for p in m.parameters()]", "m", None),
}


@pytest.mark.parametrize("name", METHODS)
def test_a_module_in_the_words_of_the_class(name: str):
    body, module, wanted = METHODS[name]
    (method,) = ast.parse("def __init__(self, given):\n" + textwrap.indent(body, "    ")).body
    assert isinstance(method, ast.FunctionDef)

    assert everywhere(module, method) == wanted


TRAINER = """
class Trainer:
    def __init__(self):
        {}
        self.opt = Adam({})

    def update(self, a, params):
        self.opt.step()
"""


@pytest.mark.parametrize(
    ("line", "given", "wanted"),
    [
        ("a = self.agent", "a.actor.parameters()", ("self.agent.actor",)),
        ("params = [*self.body.parameters()]", "params", ("self.body",)),
        ("a = make()", "a.actor.parameters()", None),
    ],
)
def test_what_an_optimizer_of_another_method_teaches(line: str, given: str, wanted: tuple[str, ...] | None):
    """`update` has an `a` and a `params` too, which are others."""
    program = code(TRAINER.format(line, given))
    update = next(n for n in ast.walk(program.tree) if isinstance(n, ast.FunctionDef) and n.name == "update")
    scene = Scene(None, lambda path: program)  # type: ignore[arg-type]

    assert Optimizers(scene, program, update, ()).teaches("self.opt") == wanted


def test_lines_in_between_that_use_the_stepped_module_by_another_name_are_told():
    one = PROGRAMS["modules_by_local_names"]
    between = "(net.actor(z) - action).pow(2).mean()"
    assert one.text.count(between) == 1
    other = replace(one, text=one.text.replace(between, "-net.critic(torch.cat([z, net.actor(z)], 1)).mean()"))
    told = "see the weights from before the step"

    for program, wanted in ((one, False), (other, True)):
        moved = [each for each in program.proposals() if "moved behind" in each.title]
        assert [told in each.meaning for each in moved] == [wanted] * 2


def test_clearing_the_stepped_module_by_another_name_goes_along_with_the_step():
    """Where it stayed, it would clear the gradients that the step is for."""
    one = PROGRAMS["modules_by_local_names"]
    after = "        actor_loss = "
    other = replace(one, text=one.text.replace(after, f"        net.critic.zero_grad()\n{after}"))
    moved = [each for each in other.proposals() if "limited to" in each.title]

    assert moved
    for each in moved:
        text = other.patched(each)
        assert text.index("self.critic_opt.step()") < text.index("net.critic.zero_grad()")
