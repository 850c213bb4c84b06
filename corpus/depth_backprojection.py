"""Back-projection of a predicted depth map into a point cloud, with a smoothness term on the depth.

The depth is the `exp` of the network's output, which keeps it; the clamping of the depth overwrites that: backward
raises. Camera coordinates are stored column by column into fresh zeros, two of them in one tuple assignment, and the
pixel part is then multiplied by the depth in place.
"""

import torch
from torch import nn


def unproject(depth, focal, centre):
    """depth (H, W) in metres -> points (H*W, 3) in the camera frame."""
    h, w = depth.shape
    columns, rows = torch.arange(w).float(), torch.arange(h).float()
    columns -= centre[0]
    rows -= centre[1]
    v, u = torch.meshgrid(rows, columns, indexing="ij")
    points = torch.zeros(h * w, 3)
    points[:, 0], points[:, 1] = u.flatten() / focal, v.flatten() / focal
    points[:, 2] = depth.flatten()
    points[:, :2] *= depth.reshape(-1, 1)
    return points


class DepthNet(nn.Module):
    """Image (1, 1, H, W) -> depth (H, W), bounded away from the camera."""

    def __init__(self, near=0.5):
        super().__init__()
        self.near = near
        self.conv = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, image):
        depth = torch.exp(self.conv(image))[0, 0]
        depth.clamp_(min=self.near)
        return depth


def plane_residual(points, normal, offset):
    """Distances of (N, 3) points from a plane."""
    distance = points @ normal
    distance -= offset
    return distance


def main():
    torch.manual_seed(51)
    net = DepthNet()
    image = torch.rand(1, 1, 4, 5)
    depth = net(image)
    points = unproject(depth, focal=4.0, centre=(2.0, 1.5))
    normal = torch.tensor([0.0, 0.6, 0.8])
    loss = plane_residual(points, normal, 1.0).square().mean()
    loss += (depth[:, 1:] - depth[:, :-1]).abs().mean()
    loss.backward()
    return {"points": points.detach(), "loss": loss.detach(), **{name: p.grad for name, p in net.named_parameters()}}


if __name__ == "__main__":
    print(main()["points"][:3])
