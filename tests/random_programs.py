"""Random straight-line programs full of in-place writes, in every place where an expression can stand.

Nothing here is realistic: values are read before and after they are written, passed twice, written inside conditions,
comprehensions and lambdas.  What a rewrite calls safe must still compute the same.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

NAMES = ("x", "y", "z")
INDICES = ("0", "1:", "..., 0", ":, 1", "0, 1", "-1", "[0, 2]", "{x} > 0.5")
OPERATORS = ("+", "-", "*", "/")
NUMBERS = ("0.5", "2", "{x}.sum()", "{x}.mean() * 2", "{x}[1, 1]")
READS = ("{x} * {y}", "({x} ** 2)", "{x}.exp()", "torch.sigmoid({x})", "{x} @ {y}")
CALLS = (
    "{x}.add_({e})",
    "{x}.mul_({e})",
    "{x}.relu_()",
    "{x}.tanh_()",
    "{x}.neg_().abs_()",
    "{x}.clamp_(min=0.1)",
    "{x}.mul_({e}).add_({e})",
    "{x}.sub_({e}).exp().add_({e})",
    "{x}.exp().mul_({e})",
    "{x}.lerp_({e}, 0.3)",
    "{x}.masked_fill_({y} > 0.5, 0.25)",
    "{x}[{i}].add_({n})",
    "torch.sigmoid_({x})",
    "torch.relu_({x}.mul_({e}))",
    "F.relu({x}, inplace=True)",
    "F.hardtanh({x}, 0.0, 1.0, True)",
    "{x}.t_()",
    "{x}.zero_()",
    "{x}.fill_({n})",
    "{x}.copy_({y})",
    "{x}.gt_({y})",
    "{x}.fill_diagonal_(0.5)",
)
EXPRESSIONS = (
    "{e}",
    "({e} + {e})",
    "torch.mul({e}, {e})",
    "torch.stack([{e}, {e}]).sum(0)",
    "({e} if {e}.sum() > 1 else {e})",
    "[{c} for _ in range(2)][-1]",
    "(lambda: {c})()",
    "({x}.sum() > 0 and {c})",
)
STATEMENTS = (
    "{u} = {r}",
    "{c}",
    "{u} = {c}",
    "{x} = {c}",
    "{u} = {x} = {c}",
    "{u} = {d}",
    "{x} {o}= {e}",
    "{x} {o}= {d}",
    "{x}[{i}] = {n}",
    "{x}[{i}] {o}= {n}",
    "{x}[0], {y}[1] = {n}, {n}",
    "{t}[{t} > 0.5] = 0.5",
    "{t}[{t} > 0.5] = {x}[{t} > 0.5]",
    "{x} {o}= {y}; {c}",
)


@dataclass
class Writer:
    """Writes one program; the same seed gives the same text."""

    random: random.Random
    count: int = 0

    def fill(self, template: str, depth: int = 0) -> str:
        """The template with its holes filled: each anew, but for `t`, which is one name throughout."""
        target = self.random.choice(NAMES)
        return re.sub(r"\{(\w)\}", lambda hole: target if hole[1] == "t" else self.hole(hole[1], depth), template)

    def hole(self, kind: str, depth: int) -> str:
        """Text for one hole; expressions nest a few deep."""
        match kind:
            case "x" | "y":
                return self.random.choice(NAMES)
            case "e" if depth < 2 and self.random.random() < 0.3:
                return self.fill(self.random.choice((*READS, "{c}")), depth + 1)
            case "e":
                return self.random.choice((*NAMES, "0.5")) if depth else self.random.choice(NAMES)
            case "u":
                self.count += 1
                return f"u{self.count}"
        table = {"i": INDICES, "n": NUMBERS, "r": READS, "c": CALLS, "d": EXPRESSIONS, "o": OPERATORS}[kind]
        return self.fill(self.random.choice(table), depth + 1)

    def statement(self, depth: int = 0) -> list[str]:
        """The lines of one statement, with a condition or a loop around some."""
        choice = self.random.random()
        if depth or choice > 0.15:
            return [self.fill(self.random.choice(STATEMENTS))]
        head = self.fill("if {e}.sum() > 1:") if choice > 0.07 else "for _ in range(2):"
        inner = [*self.statement(1), *self.statement(1)]
        return [head, *(f"    {line}" for line in inner)]


def program(seed: int) -> str:
    """`f(a, b)` of two (3, 3) tensors, which returns the tensors that it ends with by name."""
    writer = Writer(random.Random(seed))
    body = ["x = a.exp()", "y = torch.sigmoid(b)", "z = a * b"]
    for _ in range(writer.random.randint(2, 6)):
        body += writer.statement()
    bound = [line.split(" ")[0] for line in body if re.match(r"u\d+ =", line)]
    result = ", ".join(f'"{name}": {name}' for name in (*NAMES, *bound))
    lines = "\n".join(f"    {line}" for line in [*body, f"return {{{result}}}"])
    return f"import torch\nimport torch.nn.functional as F\n\n\ndef f(a, b):\n{lines}\n"
