"""Random modules that hold others in lists and `Sequential`s, and call them whole, in a loop or one by one."""

from __future__ import annotations

import random

HEAD = """import torch
from torch import nn


def stem(n):
    return nn.Sequential(nn.Conv2d(n, n, 1), nn.BatchNorm2d(n), nn.ReLU6(inplace=True))


class Own(nn.Module):
    def __init__(self, n, act):
        super().__init__()
        self.conv, self.act = nn.Conv2d(n, n, 1), act

    def forward(self, x):
        return self.act(self.conv(x)) + x


class Net(nn.Module):
    def __init__(self, n=3):
        super().__init__()
        self.act = nn.ReLU(inplace=True)
        {init}

    def forward(self, x):
        x = x * 1
        kept = [x * 2]
        y = x
        {body}
        return x.mul(2).sum() + y.square().sum() + sum(k.sum() * (j + 3) for j, k in enumerate(kept))
"""
PARTS = (
    "nn.Conv2d(n, n, 1)", "nn.BatchNorm2d(n)", "nn.ReLU(inplace=True)", "stem(n)", "nn.Identity()", "self.act",
    "nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(n, n, 1))", "Own(n, nn.ReLU(inplace=True))",
    "nn.Sequential(stem(n), nn.ReLU(True))",
)  # fmt: skip
BETWEEN = ("kept.append(x)", "y = x", "x = x * 1", "x += 1", "x = self.act(x)", "kept.append(x * 2)", "pass")
CALLS = ("x = {0}(x)", "y = {0}(x)", "y = {0}(x); x = x + y", "x = x + {0}(x)", "kept.append({0}(x))")


def program(seed: int) -> str:
    """A file whose class `Net` is called with one batch of three channels; it may raise."""
    r = random.Random(seed)
    init, body = _made(r), _called(r)
    return HEAD.format(init="\n        ".join(init), body="\n        ".join(body))


def _made(r: random.Random) -> list[str]:
    parts = r.choices(PARTS, k=r.randint(2, 4))
    kind = r.choice(("Sequential", "ModuleList"))
    how = r.choice(("at once", "attribute", "name", "grown"))
    if how == "at once":
        return [f"self.net = nn.{kind}({', '.join(parts) if kind == 'Sequential' else '[' + ', '.join(parts) + ']'})"]
    name = "parts" if how == "name" else "self.net"
    lines = [f"{name} = " + ("nn.ModuleList()" if how == "grown" else f"[{parts.pop()}]")]
    for part in parts:
        lines += r.choice((
            [f"{name}.append({part})"], [f"{name}.append({part})"],
            [f"{name}.extend([{part}])"], [f"{name}.insert(0, {part})"],
            [f"for _ in range({r.randint(0, 2)}):", f"    {name}.append({part})"],
            [f"if n > {r.choice((2, 9))}:", f"    {name}.append({part})"],
        ))  # fmt: skip
    if how != "grown":
        lines += r.choice(([], [], [], [f"{name}.reverse()"]))
        lines.append(f"self.net = nn.{kind}({'*' if kind == 'Sequential' else ''}{name})")
    return lines


def _called(r: random.Random) -> list[str]:
    between = (r.choice(BETWEEN), r.choice(BETWEEN))
    if r.random() < 0.5:
        over = r.choice(("for m in self.net:", "for i, m in enumerate(self.net):"))
        return [over, f"    {between[0]}", f"    {r.choice(CALLS).format('m')}", f"    {between[1]}"]
    lines = ["i = 1"]
    for _ in range(r.randint(1, 3)):
        part = r.choice(("self.net[0]", "self.net[1]", "self.net[-1]", "self.net[i]"))
        lines += [r.choice(CALLS).format(part), r.choice(BETWEEN)]
    return lines
