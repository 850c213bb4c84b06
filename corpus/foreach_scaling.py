"""Two heads whose outputs are scaled in one call, and a list of residuals that is.

The activations have kept what they gave, and `_foreach_` writes all of it.
"""

import torch
from torch import nn


class Heads(nn.Module):
    """(N, D) -> (N, D) and (N, D)"""

    def __init__(self, dim):
        super().__init__()
        self.mean = nn.Linear(dim, dim)
        self.gate = nn.Linear(dim, dim)

    def forward(self, x):
        mean, gate = torch.tanh(self.mean(x)), torch.sigmoid(self.gate(x))
        torch._foreach_mul_([mean, gate], [2.0, 0.5])
        return mean, gate


def residuals(outs, x):
    found = [torch.exp(-((out - x) ** 2)) for out in outs]
    seen = {"outs": 0}
    seen["outs"] += len(outs)
    torch._foreach_neg_(found)  # one call for all
    return sum(found) / seen["outs"]


def main():
    torch.manual_seed(13)
    heads = Heads(3)
    x = torch.randn(4, 3)
    mean, gate = heads(x)
    loss = residuals([mean, mean * gate], x).mean()
    loss.backward()
    return {"loss": loss.detach(), **{n: p.grad for n, p in heads.named_parameters()}}


if __name__ == "__main__":
    print(main()["loss"])
