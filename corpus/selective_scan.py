"""A selective state-space scan written slot by slot into one buffer.

Each step multiplies the state of the step before, a view of the buffer that backward keeps, and the next store bumps the
buffer's version.
"""

import torch
from torch import nn


class SelectiveScan(nn.Module):
    """(B, T, D) -> (B, T, D): state[t] = decay[t] * state[t - 1] + gate[t] * x[t]."""

    def __init__(self, dim):
        super().__init__()
        self.decay = nn.Linear(dim, dim)
        self.gate = nn.Linear(dim, dim)

    def forward(self, x):
        decay = torch.sigmoid(self.decay(x))
        gate = self.gate(x)
        steps = x.shape[1]
        states = torch.zeros(x.shape)
        states[:, 0] = gate[:, 0] * x[:, 0]
        for t in range(1, steps):
            states[:, t] = decay[:, t] * states[:, t - 1]
            states[:, t] += gate[:, t] * x[:, t]
        return states


def ramp(steps):
    """Weights that grow from step to step, filled without autograd."""
    weights = torch.zeros(steps)
    for t in range(steps):
        weights[t] = t + 1
    weights /= weights.sum()
    return weights


def main():
    torch.manual_seed(62)
    scan = SelectiveScan(3)
    states = scan(torch.randn(2, 5, 3))
    loss = (states.square().mean((0, 2)) * ramp(5)).sum()
    loss.backward()
    return {"states": states.detach(), **{n: p.grad for n, p in scan.named_parameters()}}


if __name__ == "__main__":
    print(main()["states"].shape)
