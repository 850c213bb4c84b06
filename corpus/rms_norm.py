"""A feed-forward block with root-mean-square normalisation and a gate.

`pow(2)` keeps the hidden states, which are then scaled in place by their inverse root mean square: backward raises. The
gate hides a precedence trap: `/=` divides by the whole sum on its right.
"""

import torch
from torch import nn


class RMSNorm(nn.Module):
    """Scale to unit root mean square over the last dimension."""

    def __init__(self, dim, eps=1e-6):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, inputs):
        h = inputs + 0.0
        variance = h.pow(2).mean(-1, keepdim=True)
        h *= torch.rsqrt(variance + self.eps)
        return self.weight * h


class GatedMLP(nn.Module):
    """(N, D) -> (N, D): normalised input, softsign gate, down projection."""

    def __init__(self, dim, hidden):
        super().__init__()
        self.norm = RMSNorm(dim)
        self.gate = nn.Linear(dim, hidden, bias=False)
        self.up = nn.Linear(dim, hidden, bias=False)
        self.down = nn.Linear(hidden, dim, bias=False)

    def forward(self, x):
        normed = self.norm(x)
        gate = self.gate(normed)
        gate /= gate.abs() + 1
        return x + self.down(gate * self.up(normed))


def main():
    torch.manual_seed(15)
    mlp = GatedMLP(6, 10)
    x = torch.randn(4, 6, requires_grad=True)
    y = mlp(x)
    loss = (y - 1).abs().sum()
    loss.backward()
    return {"y": y.detach(), "x.grad": x.grad, **{name: p.grad for name, p in mlp.named_parameters()}}


if __name__ == "__main__":
    result = main()
    print(result["y"].norm(), result["norm.weight"])
