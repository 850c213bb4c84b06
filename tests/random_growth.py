"""Random modules whose `Sequential` grows by `add_module` under an attribute, in loops and under names that repeat."""

from __future__ import annotations

import random

from test_detect_flags import net

PARTS = [
    "nn.Conv2d(n, n, 1)", "nn.ReLU(True)", "nn.ReLU(inplace=True)", "nn.BatchNorm2d(n)", "nn.Identity()",
    "nn.Dropout(0.0)", "nn.Sequential(nn.ReLU(True))", "nn.Sequential(nn.Conv2d(n, n, 1), nn.ReLU(True))", "nn.Tanh()",
    "self.act", "nn.Sequential()", "nn.LeakyReLU(0.1, True)",
]  # fmt: skip
NAMES = ["'a'", "'b'", "'p0'", "'0'"]
COUNTED = [*NAMES, "'c%d' % i", "f'd{i}'", "str(i)", "'a%d' % (i + 1)"]
BEGINS = ["h = self.conv(x)", "h = x * 1", "h = self.bn(self.conv(x))"]
CALLS = [
    "y = self.net(h)", "y = self.net(h)\nz = self.net(h * 2)", "y = h\nfor p in self.net:\n    y = p(y)",
    "y = self.net[0](h)", "y = self.early(h)",
]  # fmt: skip
WRITES = ["y += h", "y += 1", "y *= 2", "y = y + 0", "h += 1", "y.relu_()"]
RETURNS = ["return y + h", "return y", "return h * y", "return y + x"]
REST = """    def twice(self):
        self.net.add_module('tw', nn.ReLU(True))
        return len(self.net)

KEPT = []
"""


def program(seed: int) -> str:
    """A module `Net`; some of its calls may raise."""
    draw = random.Random(seed)
    parts = [draw.choice(PARTS) for _ in range(draw.randrange(3))]
    pairs = ", ".join(f"('p{number}', {part})" for number, part in enumerate(parts))
    named = draw.random() < 0.5
    init = [f"self.net = nn.Sequential({f'OrderedDict([{pairs}])' if named else ', '.join(parts)})"]
    for _ in range(draw.randrange(1, 4)):
        init += _step(draw)
    return net(
        "\n".join(["self.act = nn.ReLU(inplace=True)", "self.early = self.conv", *init]),
        "\n".join(map(draw.choice, (BEGINS, CALLS, WRITES, RETURNS))),
        rest=REST,
    )


def _step(draw: random.Random) -> list[str]:
    kind = draw.random()
    if kind < 0.45:
        return [_added(draw, NAMES)]
    if kind < 0.7:
        return [f"for i in range({draw.randrange(3)}):", f"    {_added(draw, COUNTED)}"]
    if kind < 0.8:
        return [f"if n > {draw.choice([1, 5])}:", f"    {_added(draw, NAMES)}"]
    return [
        draw.choice(
            ["self.early = self.net", "self.twice()", "self.net = nn.Sequential(*self.net)", "KEPT.append(self)"]
        )
    ]


def _added(draw: random.Random, names: list[str]) -> str:
    return f"self.net.add_module({draw.choice(names)}, {draw.choice(PARTS)})"
