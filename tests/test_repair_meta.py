"""Losses of several rounds that each step, differentiated behind the loop: run on copies of the weights."""

from __future__ import annotations

import pytest
from choosing import Program, equal, program, run, traced

from fixinplace.repair.base import Proposal

PLAIN = program(
    """
    def main():
        net = mlp(1, 1)
        inner = torch.optim.SGD(net.parameters(), lr=0.05)
        outer = torch.optim.SGD(net.parameters(), lr=0.1)
        for x, y, xq, yq in torch.randn(2, 4, 5, 1):
            total = 0.0
            for shift in (0.0, 1.0, 2.0):
                loss = F.mse_loss(net(x + shift), y)
                inner.zero_grad()
                loss.backward()
                inner.step()
                total = total + F.mse_loss(net(xq + shift), yq)
            outer.zero_grad()
            total.backward()
            outer.step()
        return [net]
    """,
    "net(xq + shift)", "inner.step()", "total.backward()",
)  # fmt: skip
PUT_BACK = program(
    """
    class Learner(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(1, 8), nn.Linear(8, 1)

        def forward(self, x, scale=1.0):
            return self.last(torch.tanh(self.first(x))) * scale


    class Meta:
        def __init__(self):
            self.model = Learner()
            self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)

        def train(self, tasks):
            start = {name: value.clone() for name, value in self.model.state_dict().items()}
            losses = []
            for x, y in tasks:
                fast = torch.optim.SGD(self.model.parameters(), lr=0.2)
                for _ in range(2):
                    fast.zero_grad()
                    F.mse_loss(self.model(x), y).backward()
                    fast.step()
                far, near = self.model(x + 1, scale=2.0), self.model(x)
                losses.append((far - near - y).pow(2).mean())
                self.model.load_state_dict(start)
            self.optimizer.zero_grad()
            torch.stack(losses).mean().backward()
            self.optimizer.step()


    def main():
        meta = Meta()
        for tasks in torch.randn(2, 3, 2, 5, 1):
            meta.train(tasks)
        return [meta.model]
    """,
    "self.model(x)", "fast.step()", "torch.stack(losses).mean().backward()",
)  # fmt: skip
BY_HAND = program(
    """
    def adapt(net, x, y):
        loss = F.mse_loss(net(x), y)
        with torch.no_grad():
            for p, g in zip(net.parameters(), torch.autograd.grad(loss, list(net.parameters()))):
                p -= 0.1 * g


    def main():
        net = mlp(1, 1)
        outer = torch.optim.SGD(net.parameters(), lr=0.1)
        for batch in torch.randn(2, 3, 2, 5, 1):
            outer.zero_grad()
            total = torch.zeros(())
            for x, y in batch:
                adapt(net, x, y)
                out = net(x)
                total += F.mse_loss(out, y)
            (total / 3).backward()
            outer.step()
        return [net]
    """,
    "net(x)", "p -= 0.1 * g", "(total / 3).backward()",
)  # fmt: skip
IN_A_HELPER = program(
    """
    def adapt(net, x, y):
        loss = F.mse_loss(net(x), y)
        grads = torch.autograd.grad(loss, list(net.parameters()), retain_graph=True)
        with torch.no_grad():
            for p, g in zip(net.parameters(), grads):
                p -= 0.1 * g
        return loss


    def main():
        net = mlp(1, 1)
        outer = torch.optim.SGD(net.parameters(), lr=0.1)
        for x, y in torch.randn(2, 2, 5, 1):
            support = adapt(net, x, y)
            loss = F.mse_loss(net(x + 1), y) + 0.1 * support
            outer.zero_grad()
            loss.backward()
            outer.step()
        return [net]
    """,
    "net(x)", "p -= 0.1 * g", "loss.backward()",
)  # fmt: skip
PROGRAMS = {"plain": PLAIN, "put_back": PUT_BACK, "by_hand": BY_HAND, "in_a_helper": IN_A_HELPER}


def on_copies(one: Program) -> list[Proposal]:
    return [each for each in traced(one) if "on a copy of its weights" in each.title]


def changed(one: Program, *pairs: tuple[str, str]) -> Program:
    text = one.text
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return Program(text, one.save, one.step, one.needed)


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_round_keeps_the_weights_that_it_used(name: str):
    """All parameters are those of the program with its saved tensors cloned, and every gradient on the way."""
    one = PROGRAMS[name]
    (proposal,) = on_copies(one)
    assert "modified by an inplace operation" in run(one.text).error
    wanted, found = run(one.text, cloned=True), run(one.patched(proposal))

    assert found.error == wanted.error == ""
    assert equal(wanted.parameters, found.parameters)
    assert all(map(equal, wanted.backwards, found.backwards)) and len(wanted.backwards) == len(found.backwards)


def test_what_the_copy_of_each_round_looks_like():
    (proposal,) = on_copies(PUT_BACK)
    text = PUT_BACK.patched(proposal)

    assert (
        "weights = {name: p.clone() for name, p in self.model.named_parameters()}\n"
        "            far, near = torch.func.functional_call(self.model, weights, (x + 1,), {\"scale\": 2.0}), "
        "torch.func.functional_call(self.model, weights, (x,))\n"
    ) in text  # fmt: skip
    assert "F.mse_loss(self.model(x), y).backward()" in text


def test_the_gradients_are_those_of_each_query_loss_at_its_adapted_weights():
    """First order: taken with `torch.autograd.grad` in each round, added up, and given to the parameters behind."""
    query = "total = total + F.mse_loss(net(xq + shift), yq)"
    wanted = changed(
        PLAIN,
        ("total = 0.0", "grads = [torch.zeros_like(p) for p in net.parameters()]"),
        (query, "at = torch.autograd.grad(F.mse_loss(net(xq + shift), yq), list(net.parameters()))\n"
         "            grads = [a + b for a, b in zip(grads, at)]"),
        ("total.backward()", "for p, g in zip(net.parameters(), grads):\n            p.grad = g"),
    )  # fmt: skip
    found = run(PLAIN.patched(on_copies(PLAIN)[0]))

    assert run(wanted.text).error == found.error == ""
    assert equal(run(wanted.text).parameters, found.parameters)


@pytest.mark.parametrize(
    "pairs",
    [
        # the module steps between two calls that the loss needs
        [("total = total + F.mse_loss(net(xq + shift), yq)",
          "total = total + F.mse_loss(net(xq + shift), yq)\n"
          "            inner.step()\n            total = total + net(xq).mean()")],
        [("total = total + F.mse_loss(net(xq + shift), yq)",
          "out = net(xq + shift)\n            nn.utils.vector_to_parameters(torch.ones(25), net.parameters())\n"
          "            total = total + F.mse_loss(out + net(xq), yq)")],
        # another module may have the name by then
        [("net = mlp(1, 1)", "net = same = mlp(1, 1)"), ("total = total + F.mse_loss(net(xq + shift), yq)",
          "out = net(xq + shift)\n            net = same\n"
          "            total = total + F.mse_loss(out + net(xq), yq)")],
        # calls within each other: which weights each needs is not read off
        [("net(xq + shift), yq", "net(net(xq + shift)), yq")],
        # every name for the copy is taken
        [("in (0.0, 1.0, 2.0)", "in (weights := (0.0, 1.0, round_weights := 2.0, weights_of_round := 1.0))")],
    ],
)  # fmt: skip
def test_where_no_copy_can_be_placed_none_is_proposed(pairs: list[tuple[str, str]]):
    one = changed(PLAIN, *pairs)
    assert "modified by an inplace operation" in run(one.text).error

    assert [each.title for each in on_copies(one) if "in each round" in each.title] == []


def test_a_last_round_alone_is_not_the_loss_again():
    """`total` is built up over the rounds: what the last of them added is not computed again in its place."""
    assert [each.title for each in traced(BY_HAND) if "computed again" in each.title] == []


def test_an_update_in_the_function_that_computed_the_loss_leaves_no_other_choice():
    (proposal,) = on_copies(IN_A_HELPER)

    assert [each.title for each in traced(IN_A_HELPER)] == [proposal.title]
    assert proposal.title == "`net` run on a copy of its weights in line 11"
    assert "    weights = {name: p.clone() for name, p in net.named_parameters()}\n    loss =" in (
        IN_A_HELPER.patched(proposal)
    )


def test_where_something_else_can_be_chosen_no_copy_is_offered_beside_it():
    apart = "support = F.mse_loss(net(x), y)\n        adapt(net, x, y)"
    one = changed(IN_A_HELPER, ("support = adapt(net, x, y)", apart))

    assert any("computed again" in each.title for each in traced(one)) and on_copies(one) == []
