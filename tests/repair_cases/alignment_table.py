"""Soft alignment of two sequences by dynamic programming over a table of costs."""

import torch
from torch import nn


def soft_minimum(values, gamma):
    return -gamma * torch.logsumexp(-values / gamma, dim=0)


def align(cost, gamma=0.5):
    rows, columns = cost.shape
    table = torch.full((rows + 1, columns + 1), 1e3)
    table[0, 0] = 0.0
    for i in range(1, rows + 1):
        for j in range(1, columns + 1):
            neighbours = torch.stack((table[i - 1, j], table[i, j - 1], table[i - 1, j - 1]))
            discount = 1.0 - 0.01 * torch.atan(table[i - 1, j - 1])
            table[i, j] = discount * cost[i - 1, j - 1] + soft_minimum(neighbours, gamma)
    return table[rows, columns]


def main():
    torch.manual_seed(28)
    encode = nn.Linear(2, 3)
    optimizer = torch.optim.SGD(encode.parameters(), lr=0.05)
    left, right = torch.randn(4, 2), torch.randn(3, 2)
    right.add_(0.5)
    costs = []
    for _ in range(2):
        a, b = encode(left), encode(right)
        distance = (a[:, None] - b[None]).square().sum(dim=2)
        path = align(distance)
        optimizer.zero_grad()
        path.backward()
        optimizer.step()
        costs.append(path.item())
    return {"costs": costs, "grads": [p.grad for p in encode.parameters()]}


if __name__ == "__main__":
    print(main()["costs"])
