"""Additive attention gate on a skip connection, with a validity mask that comes from numpy in double precision."""

import numpy as np
import torch
from torch import nn


class AttentionGate(nn.Module):
    def __init__(self, channels, inner):
        super().__init__()
        self.w_skip = nn.Conv2d(channels, inner, 1)
        self.w_gate = nn.Conv2d(channels, inner, 1)
        self.psi = nn.Conv2d(inner, 1, 1)

    def forward(self, skip, gate, valid):
        mixed = self.w_skip(skip)
        mixed += self.w_gate(gate)
        attention = torch.sigmoid(self.psi(torch.tanh(mixed)))
        attention *= valid
        return skip * attention, attention


def validity(height, width):
    valid = np.ones((1, 1, height, width))
    valid[..., :1] = 0.0
    valid[..., -1:] *= 0.5
    return torch.from_numpy(valid)


def main():
    torch.manual_seed(1)
    gate, head = AttentionGate(4, 3), nn.Conv2d(4, 2, 3)
    parameters = [*gate.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-2)
    skip, coarse = torch.randn(2, 4, 6, 6), torch.randn(2, 4, 6, 6)
    valid = validity(6, 6)
    history = []
    for _ in range(2):
        optimizer.zero_grad()
        features, attention = gate(skip, coarse, valid)
        loss = head(features).square().mean()
        loss.backward()
        optimizer.step()
        history.append((loss.item(), attention.dtype == torch.float32))
    return {"history": history, "attention": attention, "grads": [p.grad for p in parameters]}


if __name__ == "__main__":
    print(main()["history"])
