"""Attention gates that are normalised "outside of autograd", through NumPy.

`detach().numpy()` shares the memory of the gates. The division by their maximum changes what the product has kept,
and no version is counted: the program finishes, with wrong gradients for the values. A copy of the array would cure
it.
"""

import torch
from torch import nn


class Gated(nn.Module):
    """(N, D) -> (N, E) and the normalised gates (N, E) as an array."""

    def __init__(self, dim, out):
        super().__init__()
        self.value = nn.Linear(dim, out)
        self.gate = nn.Linear(dim, out)

    def forward(self, x):
        gate = torch.relu(self.gate(x)) + 0.1
        y = gate * self.value(x)
        shown = gate.detach().numpy()
        shown /= shown.max()
        return y, shown


def summary(gates):
    """Share of open gates and their mean, two floats."""
    opened = 0
    for row in gates:
        opened += int((row > 0.5).sum())
    return opened / gates.size, float(gates.mean())


def main():
    torch.manual_seed(73)
    layer = Gated(4, 3)
    x = torch.randn(5, 4)
    y, gates = layer(x)
    loss = y.square().mean()
    loss += 0.01 * y.abs().sum()
    share, mean = summary(gates)
    loss.backward()
    return {
        "y": y.detach(),
        "loss": loss.detach(),
        "share": share,
        "mean": mean,
        **{name: p.grad for name, p in layer.named_parameters()},
    }


if __name__ == "__main__":
    print(main()["share"])
