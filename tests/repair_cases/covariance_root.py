"""Square root of a covariance for a whitening loss; small negative eigenvalues are clamped before the root."""

import torch
from torch import nn


def matrix_root(matrix):
    values, vectors = torch.linalg.eigh(matrix)
    values.clamp_min_(1e-4)
    return (vectors * values.sqrt()) @ vectors.t()


class Statistics(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.project = nn.Linear(size, size)
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))

    def forward(self, x):
        self.seen.add_(len(x))
        h = self.project(x)
        h.sub_(h.mean(dim=0))
        return h.t() @ h / (len(x) - 1)


def main():
    torch.manual_seed(22)
    model = Statistics(3)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    x = torch.randn(8, 3)
    wanted = torch.eye(3)
    wanted.mul_(0.5).fill_diagonal_(1.0)
    losses = []
    for _ in range(2):
        root = matrix_root(model(x))
        loss = (root - wanted).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "root": root, "seen": model.seen, "grad": model.project.weight.grad}


if __name__ == "__main__":
    print(main()["losses"])
