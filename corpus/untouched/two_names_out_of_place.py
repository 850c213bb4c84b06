"""Names, views and attributes that share a tensor while everything is computed out of place."""

import torch
from torch import nn


class Residual(nn.Module):
    """(N, D) -> (N, D): keeps its last features for whoever asks."""

    def __init__(self, dim):
        super().__init__()
        self.lift = nn.Linear(dim, dim)
        self.last = None

    def forward(self, x):
        h = torch.sigmoid(self.lift(x))
        shortcut = self.last = h
        first = h[:, :1]
        h = h + first
        h = shortcut = h * shortcut
        return h + shortcut + self.last.detach()


def main():
    torch.manual_seed(76)
    block = Residual(3)
    calls = 0
    for _ in range(2):
        out = block(torch.randn(2, 3))
        calls += 1
    out.sum().backward()
    return {"out": out.detach() / calls, "weight": block.lift.weight.grad}


if __name__ == "__main__":
    print(main()["out"])
