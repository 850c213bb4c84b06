"""A damped oscillator: position and velocity are columns of one state tensor, forces come from a small network."""

import torch
from torch import nn


class Force(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 6), nn.Tanh(), nn.Linear(6, 1))
        self.damping = nn.Parameter(torch.tensor(0.1))

    def forward(self, position, velocity):
        return self.net(position[:, None]).squeeze(1) - self.damping * velocity


def simulate(force, start, steps, dt=0.1):
    state = start.clone()
    energy = []
    for _ in range(steps):
        acceleration = force(state[:, 0], state[:, 1])
        state[:, 1] += dt * acceleration
        state[:, 0] += dt * state[:, 1]
        energy.append(state.detach().square().sum(dim=1))
    return state, torch.stack(energy)


def main():
    torch.manual_seed(30)
    force = Force()
    optimizer = torch.optim.SGD(force.parameters(), lr=0.1)
    start, end = torch.randn(4, 2), torch.randn(4, 2)
    losses = []
    for _ in range(2):
        state, energy = simulate(force, start, 3)
        loss = (state - end).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "state": state, "energy": energy, "grads": [p.grad for p in force.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
