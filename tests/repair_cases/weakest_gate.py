"""A mixture of experts that zeroes its weakest gate and scales the others up again."""

import torch
from torch import nn
import torch.nn.functional as F


class Experts(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(4, 3)
        self.experts = nn.ModuleList([nn.Linear(4, 2) for _ in range(3)])

    def forward(self, x):
        gates = self.gate(x).softmax(dim=-1)
        weakest = gates.argmin(dim=-1, keepdim=True)
        gates.scatter_(1, weakest, 0.0)
        gates /= gates.sum(dim=-1, keepdim=True)
        return sum(gates[:, n : n + 1] * expert(x) for n, expert in enumerate(self.experts))


def main():
    torch.manual_seed(11)
    net = Experts()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    x = torch.randn(6, 4)
    losses = []
    for _ in range(2):
        loss = net(x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "grads": [p.grad for p in net.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
