"""Soft alignment of two series by a table of costs that is filled in place."""

import torch
from torch import nn
import torch.nn.functional as F


class Align(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(2, 3)

    def forward(self, a, b):
        cost = torch.cdist(self.embed(a), self.embed(b))
        table = torch.full((len(a) + 1, len(b) + 1), 1e9)
        table[0, 0] = 0
        for i in range(1, len(a) + 1):
            for j in range(1, len(b) + 1):
                best = torch.min(torch.min(table[i - 1, j], table[i, j - 1]), table[i - 1, j - 1])
                table[i, j] = cost[i - 1, j - 1] + best
        return table[-1, -1]


def main():
    torch.manual_seed(8)
    net = Align()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    x, y = torch.randn(4, 2), torch.randn(3, 2)
    losses = []
    for _ in range(2):
        loss = net(x, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "grads": [p.grad for p in net.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
