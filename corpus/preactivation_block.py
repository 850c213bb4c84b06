"""A pre-activation block whose first layer works in place on the tensor that the shortcut reads.

tanh keeps its result, the in-place ReLU of the body overwrites it, and the shortcut adds what the ReLU has left: the
values that this network was trained with, which have to stay.
"""

import torch
from torch import nn


class PreActivation(nn.Module):
    """(N, D) -> (N, D): h + body(h), where body begins by rectifying h itself."""

    def __init__(self, dim):
        super().__init__()
        self.inward = nn.Linear(dim, dim)
        self.body = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(dim, dim), nn.ReLU(inplace=True))

    def forward(self, x):
        h = torch.tanh(self.inward(x))
        return h + self.body(h)


class Tower(nn.Module):
    """A stack of blocks."""

    def __init__(self, dim=4, depth=2):
        super().__init__()
        self.blocks = nn.ModuleList(PreActivation(dim) for _ in range(depth))

    def forward(self, x):
        depth = 0
        for block in self.blocks:
            x = block(x)
            depth += 1
        return x / depth


def main():
    torch.manual_seed(65)
    tower = Tower()
    out = tower(torch.randn(3, 4))
    out.square().sum().backward()
    return {"out": out.detach(), **{n: p.grad for n, p in tower.named_parameters()}}


if __name__ == "__main__":
    print(main()["out"])
