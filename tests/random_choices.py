"""Random modules of parts that are chosen, passed in, made by functions and classes, or come in a round of a loop."""

from __future__ import annotations

import random

from test_detect_flags import net

PARTS = [
    "nn.Conv2d(n, n, 1)", "nn.ReLU(True)", "nn.ReLU(inplace=True)", "nn.BatchNorm2d(n)", "nn.Identity()",
    "nn.Sequential(nn.ReLU(True))", "nn.Sequential(nn.Conv2d(n, n, 1), nn.ReLU(True))", "nn.Tanh()", "act",
    "make(n, n)", "conv(n, n)", "Keep()", "Hand()", "nn.Sequential()", "nn.LeakyReLU(0.1, True)", "block(n)",
    "nn.ReLU(True) if flag else nn.Identity()", "nn.Conv2d(n, n, 1) if flag else nn.Identity()",
    "nn.Identity() if flag else nn.ReLU(True)", "(nn.Tanh() if flag else nn.ReLU(True))",
]  # fmt: skip
BLOCKS = [
    "block = Grown if flag else Maybe",
    "block = Grown",
    "block = Maybe",
    "block = Grown\nif flag:\n    block = Maybe",
]
ACTS = ["act = nn.ReLU(True)", "act = nn.ReLU(inplace=True)", "act = nn.ReLU(True) if n > 2 else nn.Tanh()"]
BEGINS = ["h = self.conv(x)", "h = x * 1", "h = self.bn(self.conv(x))"]
CALLS = [
    "y = self.net(h)", "y = self.net(h)\nz = self.net(h * 2)", "y = h\nfor p in self.parts:\n    y = p(y)",
    "for i, p in enumerate(self.parts):\n    if i == 0:\n        y = p(h)\n    else:\n        y += p(h)",
    "y = None\nfor p in self.parts:\n    if y is None:\n        y = p(h)\n    else:\n        y += p(h)",
    "for i in range(2):\n    if i > 0:\n        y += self.parts[i](h)\n    else:\n        y = self.parts[i](h)",
    "y = h\nfor i in range(2):\n    y = self.parts[0](y)", "y = h\nfor i in range(0):\n    y = self.parts[0](y)",
    "y = h\nfor a, b in zip(self.parts, self.parts):\n    y = b(y)",
    "for p in self.parts:\n    y = p(h)\n    if y is not h: break",
]  # fmt: skip
WRITES = [
    "y += h",
    "y += 1",
    "y *= 2",
    "y = y + 0",
    "h += 1",
    "y.relu_()",
    "y.masked_fill_(y > 0.3, 0.5)\ny = y.softmax(-1)",
]
RETURNS = ["return y + h", "return y", "return h * y", "return y + x"]
REST = """

class Keep(nn.Module):
    def __init__(self):
        super().__init__()
        self.last = []
    def forward(self, x):
        self.last.append(x)
        return x * 2


class Hand(nn.Module):
    def forward(self, x):
        return x


class Grown(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(n, n, 1), nn.Conv2d(n, n, 1)])
    def forward(self, x):
        for conv in self.convs:
            x = conv(x) + x
        return x


class Maybe(nn.Module):
    def __init__(self, n, times=0):
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv2d(n, n, 1) for _ in range(times)])
    def forward(self, x):
        for layer in self.layers:
            x = layer(x) + x
        return x


def make(i, o):
    return nn.Conv2d(i, o, 1)
"""


def program(seed: int) -> str:
    """A module `Net`; some of its calls may raise."""
    draw = random.Random(seed)
    init = [f"flag = n > {draw.choice([1, 5])}", "conv = make", draw.choice(ACTS), draw.choice(BLOCKS)]
    init += draw.choice([_written, _in_rounds, _repeated, _either, _named])(draw)
    init.append(f"self.parts = nn.ModuleList([{draw.choice(PARTS)}, {draw.choice(PARTS)}])")
    forward = [draw.choice(BEGINS), draw.choice(CALLS), draw.choice(WRITES), draw.choice(RETURNS)]
    return net("\n".join(init), "\n".join(forward), rest=REST)


def _some(draw: random.Random) -> list[str]:
    return [draw.choice(PARTS) for _ in range(draw.randrange(1, 5))]


def _written(draw: random.Random) -> list[str]:
    return [f"self.net = nn.Sequential({', '.join(_some(draw))})"]


def _in_rounds(draw: random.Random) -> list[str]:
    tests = ["if i == 0:\n        ", "if flag:\n        ", "", "", ""]
    lines = [f"    {draw.choice(tests)}m.append({part})" for part in _some(draw)]
    last = [f"m.append({draw.choice(PARTS)})"] if draw.random() < 0.5 else []
    return ["m = []", f"for i in range({draw.randrange(3)}):", *lines, *last, "self.net = nn.Sequential(*m)"]


def _repeated(draw: random.Random) -> list[str]:
    made = draw.choice(["*m", "*m", "nn.Conv2d(n, n, 1), *m", "*m, nn.BatchNorm2d(n)"])
    more = [f"m.append({part})" for part in _some(draw)[:2]]
    return [
        f"m = [{draw.choice(PARTS)} for _ in range({draw.randrange(3)})]",
        *more,
        f"self.net = nn.Sequential({made})",
    ]


def _either(draw: random.Random) -> list[str]:
    whole = f"self.net = nn.Sequential({', '.join(_some(draw))})"
    return ["if flag:", f"    {whole}", "else:", f"    self.net = {draw.choice(PARTS)}"]


def _named(draw: random.Random) -> list[str]:
    one, two, three, four = (draw.choice(PARTS) for _ in range(4))
    return [
        "if flag:", f"    m = [('a', {one}), ('b', {two})]", "else:", f"    m = [('a', {three})]",
        f"m.append(('{draw.choice(['c', 'c', 'b'])}', {four}))", "self.net = nn.Sequential(OrderedDict(m))",
    ]  # fmt: skip
