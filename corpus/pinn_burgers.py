"""A physics-informed network for Burgers' equation u_t + u u_x = nu u_xx.

The residual is assembled in place from derivatives that `create_graph=True` made part of the graph. `u * u_x` keeps
`u_x`; scaling `u_x` in place for the flux term overwrites it, and backward raises.
"""

import torch
from torch import nn


class Field(nn.Module):
    """Points (N, 2) of (x, t) -> u (N, 1)."""

    def __init__(self, width=8):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(2, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1)
        )

    def forward(self, points):
        return self.net(points)


def derivative(y, x):
    """dy/dx, differentiable again."""
    return torch.autograd.grad(y, x, torch.ones_like(y), create_graph=True)[0]


def residual_loss(field, points, nu=0.05, penalty=0.1):
    """Mean squared residual with a weak penalty on steep fronts."""
    u = field(points)
    gradient = derivative(u, points)
    u_x = gradient[:, :1].clone()
    u_t = gradient[:, 1:].clone()
    u_xx = derivative(u_x, points)[:, :1]

    residual = u * u_x
    residual += u_t
    residual -= nu * u_xx
    u_x *= penalty
    return residual.square().mean() + u_x.square().mean()


def initial_loss(field, points):
    """Distance to -sin(pi x) at t = 0; the points are data and are moved to t = 0 in place."""
    start = points.detach().clone()
    start[:, 1] = 0.0
    target = -torch.sin(torch.pi * start[:, :1])
    return (field(start) - target).square().mean()


def main():
    torch.manual_seed(19)
    field = Field()
    points = torch.rand(10, 2)
    points[:, 0] *= 2
    points[:, 0] -= 1
    points.requires_grad_()
    loss = residual_loss(field, points)
    loss += initial_loss(field, points)
    loss.backward()
    return {"loss": loss.detach(), "points.grad": points.grad, **{n: p.grad for n, p in field.named_parameters()}}


if __name__ == "__main__":
    print("physics loss", main()["loss"].item())
