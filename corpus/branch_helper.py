"""Residual branches added by a helper that writes its argument.

The helper returns nothing: its effect is what callers want. The sigmoid keeps the tensor that the helper writes, so that
backward raises, and no line of the caller looks guilty.
"""

import torch
from torch import nn


def add_branch(h, branch, weight):
    """Add a weighted branch to h."""
    h += weight * branch


def clipped(values):
    """A plain list, clipped in place: nothing of torch."""
    values += [0.0]
    values[:] = [max(v, 0.0) for v in values]


class Residual(nn.Module):
    """(N, D) -> (N, D)."""

    def __init__(self, dim):
        super().__init__()
        self.inward = nn.Linear(dim, dim)
        self.left = nn.Linear(dim, dim)
        self.right = nn.Linear(dim, dim)

    def forward(self, x):
        h = torch.sigmoid(self.inward(x))
        left, right = self.left(h), torch.tanh(self.right(h))
        add_branch(h, left, 0.5)
        add_branch(h, right, weight=0.25)
        return h


def main():
    torch.manual_seed(64)
    block = Residual(4)
    weights = [1.0, -2.0]
    clipped(weights)
    out = block(torch.randn(3, 4)) * sum(weights)
    out.square().sum().backward()
    return {"out": out.detach(), **{n: p.grad for n, p in block.named_parameters()}}


if __name__ == "__main__":
    print(main()["out"])
