"""Point set alignment: both sets are centred by a helper that writes into its argument.

The caller relies on the effect: it goes on with the centred points, while the helper returns only their size. A plain
rebinding inside the helper would lose the centring. What raises is the normalisation of the weights at the end.
"""

import torch
from torch import nn


def centre(points):
    """Move (N, D) points to their centroid, in place; returns their root mean square radius."""
    points -= points.mean(dim=0)
    return points.norm() / len(points) ** 0.5


class Aligner(nn.Module):
    """Learns a linear map from one point set to another."""

    def __init__(self, dim):
        super().__init__()
        self.map = nn.Linear(dim, dim, bias=False)
        self.lift = nn.Parameter(torch.ones(dim))

    def forward(self, source, target):
        moved = self.map(source)
        goal = target * self.lift
        size = centre(moved)
        centre(goal)
        residual = (moved - goal) / size
        return residual, size


def robust(residual):
    """Welsch weighting of (N, D) residuals; returns a scalar."""
    weights = torch.exp(-0.5 * residual.square())
    weights /= weights.sum() + 1e-9
    return (weights * residual.abs()).sum()


def main():
    torch.manual_seed(63)
    aligner = Aligner(3)
    source = torch.randn(7, 3)
    target = source.flip(1)
    target += 0.1 * torch.randn(7, 3)
    residual, size = aligner(source, target)
    loss = robust(residual)
    loss.backward()
    return {
        "residual": residual.detach(),
        "size": size.detach(),
        "map.grad": aligner.map.weight.grad,
        "lift.grad": aligner.lift.grad,
    }


if __name__ == "__main__":
    print(main()["size"])
