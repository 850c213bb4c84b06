"""What is computed again for one reader is written where it is read, and only where nobody can tell."""

from __future__ import annotations

import pytest
from choosing import Program, equal, program, run

TWO = program(
    """
    class Towers(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.one, self.two = mlp(4, 4), mlp(4, 1), mlp(4, 1)

        def forward(self, x):
            h = self.body(x)
            return self.one(h), self.two(h)


    def main():
        net = Towers()
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        seen = []
        for x in torch.randn(2, 5, 4):
            first, second = net(x)
            one = first.pow(2).mean()
            two = (second - 1).pow(2).mean()
            optimizer.zero_grad()
            one.backward(retain_graph=True)
            optimizer.step()
            optimizer.zero_grad()
            two.backward()
            optimizer.step()
        return [net]
    """,
    "net(x)", "optimizer.step()@1", "two.backward()",
)  # fmt: skip
COPY, FIRST = "        first, second = net(x)", "first, second = net(x)"
PLAIN = {FIRST, "two = (second - 1).pow(2).mean()"}
FOLDED = {"two = (net(x)[1] - 1).pow(2).mean()"}


def edited(old: str, new: str) -> Program:
    text = TWO.text.replace(old, new)
    assert text != TWO.text
    return Program(text, "net(x)" if "net(x)" in text else "net.body(x)", "optimizer.step()@1", "two.backward()")


def again(one: Program) -> set[str]:
    """The lines that the option to compute again pastes behind the first step."""
    (proposal,) = [each for each in one.proposals() if "computed again" in each.title]
    pasted = one.patched(proposal).split("optimizer.step()\n", 1)[1].split("optimizer.zero_grad()", 1)[0]
    return {line.strip() for line in pasted.strip().split("\n")}


VARIANTS = {
    "one of a pair": ("x in", "x  in", FOLDED),
    "a pair that is written out": (
        FIRST, "h = net.body(x)\n        first, second = net.one(h), net.two(h)",
        {"h = net.body(x)", "two = (net.two(h) - 1).pow(2).mean()"}),
    "read twice": ("second - 1", "second - second.mean()", {FIRST, "two = (second - second.mean()).pow(2).mean()"}),
    "a list that is returned": ("return self.one(h), self.two(h)", "return [self.one(h), self.two(h)]", PLAIN),
    "two returns": ("        return self.one(h)", "        if x is None:\n            return None\n"
                    "        return self.one(h)", PLAIN),
    "who knows what": ("net = Towers()", "net = Towers().train()", PLAIN),
    "read behind the step": ("        two.backward()", "        two.backward()\n        seen.append(second)", PLAIN),
    "read in the next round": (COPY, "        seen = [second] if seen else [x]\n" + COPY, PLAIN),
    "bound twice": ("    seen = []", "    seen = second = []", PLAIN),
    "in a comprehension": ("(second - 1).pow(2).mean()", "sum((second - k).pow(2).mean() for k in range(2))",
                           {FIRST, "two = sum((second - k).pow(2).mean() for k in range(2))"}),
}  # fmt: skip


@pytest.mark.parametrize("name", VARIANTS)
def test_a_copy_that_is_read_once_has_no_line_of_its_own(name: str):
    old, new, lines = VARIANTS[name]
    assert again(edited(old, new)) == lines


def test_what_is_folded_trains_as_a_fresh_forward():
    (proposal,) = [each for each in TWO.proposals() if "computed again" in each.title]
    wanted = run(TWO.text.replace("two.backward()", "(net(x)[1] - 1).pow(2).mean().backward()"))
    found = run(TWO.patched(proposal))

    assert wanted.error == found.error == ""
    assert equal(wanted.parameters, found.parameters)
