"""Soft dynamic time warping between two short series, the table filled cell by cell.

Nothing is wrong with its gradients: the soft minimum works on a stacked copy of its three neighbours, so the stores
into the table overwrite no saved value and the program finishes. The stores are tracked in-place writes nevertheless.
"""

import torch
from torch import nn

LARGE = 1e5


def pairwise(x, y):
    """Squared distances: x (T, D), y (S, D) -> (T, S)."""
    return (x.unsqueeze(1) - y.unsqueeze(0)).pow(2).sum(-1)


def soft_dtw(cost, gamma):
    """cost (T, S) -> scalar; gamma > 0 smooths the minimum."""
    rows, columns = cost.shape
    table = torch.full((rows + 1, columns + 1), LARGE)
    table[0, 0] = 0.0
    for i in range(1, rows + 1):
        for j in range(1, columns + 1):
            neighbours = torch.stack([table[i - 1, j - 1], table[i - 1, j], table[i, j - 1]])
            table[i, j] = cost[i - 1, j - 1] - gamma * torch.logsumexp(-neighbours / gamma, dim=0)
    return table[rows, columns]


class Prototype(nn.Module):
    """A learnable series that is warped onto the data."""

    def __init__(self, length, dim):
        super().__init__()
        self.series = nn.Parameter(torch.zeros(length, dim))

    def forward(self, batch):
        total = 0.0
        for series in batch:
            total += soft_dtw(pairwise(series, self.series), gamma=0.5)
        return total / len(batch)


def main():
    torch.manual_seed(12)
    prototype = Prototype(4, 2)
    with torch.no_grad():
        prototype.series.normal_(std=0.3)
    batch = torch.randn(2, 5, 2)
    loss = prototype(batch)
    loss.backward()
    return {"loss": loss.detach(), "series.grad": prototype.series.grad}


if __name__ == "__main__":
    print(main()["loss"])
