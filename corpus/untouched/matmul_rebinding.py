"""`@=` on tensors: torch has no in-place matrix product, so the statement binds a new tensor already."""

import torch
from torch import nn


class Rotations(nn.Module):
    """Composes learned planar rotations and applies them to points (N, 2)."""

    def __init__(self, count):
        super().__init__()
        self.angles = nn.Parameter(torch.linspace(0.1, 0.5, count))
        self.total = None

    def matrix(self, angle):
        c, s = torch.cos(angle), torch.sin(angle)
        return torch.stack([torch.stack([c, -s]), torch.stack([s, c])])

    def forward(self, points):
        product = torch.eye(2)
        for angle in self.angles:
            product @= self.matrix(angle)
        self.total = torch.eye(2)
        self.total @= product
        points @= self.total.t()
        return points


def main():
    torch.manual_seed(12)
    model = Rotations(3)
    points = torch.randn(4, 2, requires_grad=True)
    out = model(points)
    out.pow(3).sum().backward()
    return {"out": out.detach(), "points.grad": points.grad, "angles.grad": model.angles.grad}


if __name__ == "__main__":
    print(main()["angles.grad"])
