"""Parallel prefix scan of a linear recurrence, as in state-space layers: the offset doubles in every round."""

import torch
from torch import nn


def scan(decay, x):
    """h[t] = decay * h[t - 1] + x[t] along dim 1."""
    h = x.clone()
    offset, power = 1, decay
    while offset < h.size(1):
        h[:, offset:] += power * h[:, :-offset]
        power = power * power
        offset *= 2
    return h


class Layer(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.raw_decay = nn.Parameter(torch.zeros(size))
        self.enter = nn.Linear(size, size)
        self.leave = nn.Linear(size, 1)

    def forward(self, x):
        return self.leave(scan(self.raw_decay.sigmoid(), self.enter(x)))


def main():
    torch.manual_seed(34)
    layer = Layer(3)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.05)
    x, y = torch.randn(2, 6, 3), torch.randn(2, 6, 1)
    y[:, 0] = 0
    losses = []
    for _ in range(2):
        loss = (layer(x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "decay": layer.raw_decay, "grads": [p.grad for p in layer.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
