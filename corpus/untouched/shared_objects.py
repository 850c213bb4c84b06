"""Many names for one object, and none of them a tensor that autograd tracks: nothing to do.

Lists and arrays are grown and written under two names, views of a table without gradients are filled, and the network's
own views are only read.
"""

import numpy as np
import torch
from torch import nn


def schedule(steps):
    """Learning rates by step: the list is grown under its other name."""
    rates = []
    alias = rates
    for step in range(steps):
        alias += [0.1 / (step + 1)]
    return rates


def histogram(values):
    """Counts in a numpy array, through a view of it."""
    counts = np.zeros(4)
    upper = counts[2:]
    for value in values:
        counts[int(value)] += 1
    upper *= 2
    return counts


def positions(length, dim):
    """A table of sines and cosines, filled through two views, without gradients."""
    table = torch.zeros(length, dim)
    where = torch.arange(length, dtype=torch.float32).unsqueeze(1)
    sines, cosines = table[:, 0::2], table[:, 1::2]
    sines += torch.sin(where)
    cosines += torch.cos(where)
    return table


class Reader(nn.Module):
    """(N, D) -> (N,): reads halves of its features, and writes none."""

    def __init__(self, dim):
        super().__init__()
        self.inward = nn.Linear(dim, dim)

    def forward(self, x):
        h = self.inward(x) + positions(len(x), x.shape[1])
        left, right = h.chunk(2, dim=1)
        rows = h.t()
        return (left * right).sum(1) + rows[0]


def main():
    torch.manual_seed(66)
    reader = Reader(4)
    out = reader(torch.randn(3, 4))
    out.sum().backward()
    rates = torch.tensor(schedule(3))
    counts = torch.from_numpy(histogram([0, 1, 3, 3]))
    return {"out": out.detach(), "rates": rates, "counts": counts, "weight": reader.inward.weight.grad}


if __name__ == "__main__":
    print(main()["out"])
