"""A sinusoidal representation network (SIREN) that fits a 1-D signal and its slope.

The layers scale and bend their pre-activation by a chain of underscore methods in a return statement: nothing has kept
it, that is harmless. The output squashing is not: `tanh` keeps its output, `mul_` in an expression overwrites it.
"""

import math

import torch
from torch import nn


class Sine(nn.Module):
    """sin(omega * (W x + b)) with the initialisation that keeps activations spread."""

    def __init__(self, inputs, outputs, omega=3.0, first=False):
        super().__init__()
        self.omega = omega
        self.linear = nn.Linear(inputs, outputs)
        bound = 1 / inputs if first else math.sqrt(6 / inputs) / omega
        with torch.no_grad():
            self.linear.weight.uniform_(-bound, bound)

    def forward(self, x):
        return self.linear(x).mul_(self.omega).sin_()


class Siren(nn.Module):
    """Coordinates (N, 1) -> signal (N, 1), bounded by `amplitude`."""

    def __init__(self, width=8, amplitude=1.5):
        super().__init__()
        self.first = Sine(1, width, first=True)
        self.second = Sine(width, width)
        self.out = nn.Linear(width, 1)
        self.amplitude = amplitude

    def forward(self, x):
        squashed = torch.tanh(self.out(self.second(self.first(x))))
        return 0.01 * x + squashed.mul_(self.amplitude)


def signal(x):
    """Two superposed waves."""
    y = torch.sin(4 * x)
    y.add_(torch.cos(9 * x), alpha=0.3)
    return y


def main():
    torch.manual_seed(39)
    siren = Siren()
    x = torch.linspace(-1, 1, 9).unsqueeze(1).requires_grad_()
    y = siren(x)
    (slope,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    loss = (y - signal(x.detach())).square().mean() + 1e-3 * slope.square().mean()
    loss.backward()
    return {"y": y.detach(), "slope": slope.detach(), **{name: p.grad for name, p in siren.named_parameters()}}


if __name__ == "__main__":
    print(main()["y"].flatten())
