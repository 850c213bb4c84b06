"""Helpers that change what they are given, where that is a list, a dict, a counter or a table without gradients."""

import torch
from torch import nn


def push(history, value, limit):
    """Append, and forget the oldest."""
    history += [value]
    del history[:-limit]


def count(seen, name):
    """Count a name."""
    seen[name] = seen.get(name, 0)
    seen[name] += 1


def standardise(table):
    """Centre a table of plain numbers, in place."""
    table -= table.mean(0)
    table /= table.std(0) + 1e-6


class Probe(nn.Module):
    """(N, D) -> (N,)."""

    def __init__(self, dim):
        super().__init__()
        self.head = nn.Linear(dim, 1)
        self.history, self.seen = [], {}

    def forward(self, x):
        out = self.head(x).squeeze(1)
        push(self.history, out.detach().mean().item(), 3)
        count(self.seen, "forward")
        return out


def main():
    torch.manual_seed(73)
    table = torch.randn(6, 4)
    with torch.no_grad():
        standardise(table)
    probe = Probe(4)
    loss = sum(probe(table).square().mean() for _ in range(4))
    loss.backward()
    history = torch.tensor(probe.history)
    return {"loss": loss.detach(), "history": history, "weight": probe.head.weight.grad}


if __name__ == "__main__":
    print(main()["history"])
