"""Shooting: find the initial state and the mass of an oscillator from where it ends.

The recorded list holds one and the same tensor in every slot, because the state is updated in place: the trajectory
that is returned is the last state, repeated. Nothing keeps the state, so that write breaks no backward, and rebinding
it would change what is recorded; only the author can say which values were meant. What raises is the energy: `exp`
keeps its output, and `inverse_mass *= 0.5` overwrites it.
"""

import torch
from torch import nn


class Oscillator(nn.Module):
    """A linear spring; state (N, 2) of position and momentum."""

    def __init__(self, frequency):
        super().__init__()
        self.log_mass = nn.Parameter(torch.zeros(1))
        self.register_buffer("matrix", torch.tensor([[0.0, -(frequency**2)], [1.0, 0.0]]))

    def forward(self, y):
        return y @ self.matrix

    def energy(self, y):
        """Kinetic and potential energy per sample, (N,)."""
        inverse_mass = torch.exp(-self.log_mass)
        inverse_mass *= 0.5
        potential = 0.5 * y[:, 0].square()
        return inverse_mass * y[:, 1].square() + potential


def integrate(system, start, steps, dt):
    """Final state and the recorded states."""
    y = start.clone()
    trajectory = []
    for _ in range(steps):
        y += dt * system(y)
        trajectory.append(y)
    return y, trajectory


def main():
    torch.manual_seed(30)
    system = Oscillator(frequency=1.5)
    start = torch.randn(3, 2)
    start[:, 1] = 0.0
    start.requires_grad_()
    end, trajectory = integrate(system, start, steps=3, dt=0.1)
    loss = (end - 1.0).square().sum() + system.energy(start).sum()
    loss.backward()
    return {
        "end": end.detach(),
        "trajectory": [state.detach() for state in trajectory],
        "start.grad": start.grad,
        "log_mass.grad": system.log_mass.grad,
    }


if __name__ == "__main__":
    print(main()["trajectory"])
