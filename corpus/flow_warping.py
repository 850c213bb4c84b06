"""Warping an image with a predicted optical flow and penalising long displacements.

The penalty squares the sampling grid, which keeps it; normalising the grid to [-1, 1] by storing into its last
dimension overwrites it, and backward raises.
"""

import torch
import torch.nn.functional as F
from torch import nn


def pixel_grid(height, width):
    """(1, H, W, 2) of pixel coordinates, x first."""
    ys, xs = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([xs, ys], dim=-1).float().unsqueeze(0)


class FlowNet(nn.Module):
    """Two frames (N, 1, H, W) -> flow (N, H, W, 2) in pixels."""

    def __init__(self, width=4):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(2, width, 3, padding=1),
            nn.ELU(),
            nn.Conv2d(width, 2, 3, padding=1),
        )

    def forward(self, first, second):
        return self.net(torch.cat([first, second], dim=1)).permute(0, 2, 3, 1)


def warp(image, flow):
    """Sample `image` at the pixels that `flow` points to; returns the warped image and the drift penalty."""
    _, _, h, w = image.shape
    grid = pixel_grid(h, w) + flow
    centred = grid - pixel_grid(h, w).mean(dim=(1, 2), keepdim=True)
    drift = (centred**2).mean() + (grid**2).mean() * 1e-3
    grid[..., 0] = 2.0 * grid[..., 0] / (w - 1) - 1.0
    grid[..., 1] = 2.0 * grid[..., 1] / (h - 1) - 1.0
    return F.grid_sample(image, grid, align_corners=True), drift


def main():
    torch.manual_seed(24)
    net = FlowNet()
    first = torch.rand(2, 1, 5, 6)
    second = first.roll(1, dims=3)
    second[..., 0] = first[..., 0]
    warped, drift = warp(second, net(first, second))
    photometric = (warped - first).abs()
    loss = photometric.mean() + 0.01 * drift
    loss.backward()
    return {"warped": warped.detach(), "loss": loss.detach(), **{n: p.grad for n, p in net.named_parameters()}}


if __name__ == "__main__":
    print("photometric + drift", main()["loss"].item())
