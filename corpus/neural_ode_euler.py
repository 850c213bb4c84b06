"""A neural ordinary differential equation integrated with explicit Euler steps.

The dynamics keep the state they are evaluated at; `y += dt * dy` overwrites it, and backward raises.
"""

import torch
from torch import nn


class Dynamics(nn.Module):
    """dy/dt = W2 tanh(W1 [y, t]) for y (N, D)."""

    def __init__(self, dim, width):
        super().__init__()
        self.inner = nn.Linear(dim + 1, width)
        self.outer = nn.Linear(width, dim, bias=False)
        self.evaluations = 0

    def forward(self, t, y):
        self.evaluations += 1
        time = torch.full_like(y[:, :1], t)
        return self.outer(torch.tanh(self.inner(torch.cat([y, time], dim=1)))) + 0.1 * y**3


def integrate(dynamics, start, steps=4, end=1.0):
    """State at time `end`, starting from `start` at 0."""
    dt = end / steps
    t = 0.0
    y = start.clone()
    for _ in range(steps):
        y += dt * dynamics(t, y)
        t += dt
    return y


def spiral(count):
    """Points on a spiral, (count, 2)."""
    angle = torch.linspace(0, 6, count)
    radius = torch.linspace(0.2, 1, count)
    points = torch.stack([angle.cos(), angle.sin()], dim=1)
    points *= radius[:, None]
    return points


def main():
    torch.manual_seed(29)
    dynamics = Dynamics(2, 6)
    start = spiral(5).requires_grad_()
    end = integrate(dynamics, start)
    loss = (end - spiral(5).flip(0)).square().mean()
    loss.backward()
    return {
        "end": end.detach(),
        "start.grad": start.grad,
        "evaluations": dynamics.evaluations,
        **{name: p.grad for name, p in dynamics.named_parameters()},
    }


if __name__ == "__main__":
    print(main()["end"])
