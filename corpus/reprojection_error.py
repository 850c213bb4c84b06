"""Reprojection error of 3-D points under a camera whose calibration is stored in double precision.

The projected coordinates are float32; multiplying them in place by the float64 focal lengths keeps float32, where the
plain product would be float64. The perspective division keeps the depth, which is then clamped in place: backward
raises.
"""

import torch
from torch import nn


class Camera:
    """Pinhole calibration from a file: everything in float64."""

    def __init__(self, fx, fy, cx, cy):
        self.focal = torch.tensor([fx, fy], dtype=torch.float64)
        self.centre = torch.tensor([cx, cy], dtype=torch.float64)


def project(camera, points, near=0.1):
    """points (N, 3) float32 -> pixels (N, 2) float32 and clamped depth (N,)."""
    depth = points[:, 2] * 1.0
    pixels = points[:, :2] / depth[:, None]
    pixels *= camera.focal
    pixels += camera.centre
    depth.clamp_(min=near)
    return pixels, depth


def huber(residual, delta=1.0):
    """Elementwise Huber penalty."""
    magnitude = residual.abs()
    return torch.where(magnitude < delta, 0.5 * residual**2, delta * (magnitude - 0.5 * delta))


class Pose(nn.Module):
    """A translation that is added to model points (N, 3)."""

    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.tensor([0.1, -0.2, 4.0]))

    def forward(self, points):
        return points + self.shift


def main():
    torch.manual_seed(53)
    camera = Camera(20.0, 22.0, 16.0, 12.0)
    pose = Pose()
    model = torch.rand(6, 3)
    model -= 0.5
    observed = torch.rand(6, 2) * 4
    observed += torch.tensor([14.0, 10.0])
    pixels, depth = project(camera, pose(model))
    loss = huber(pixels - observed).mean()
    loss = loss + 0.01 * depth.log().mean()
    loss.backward()
    return {"pixels": pixels.detach(), "loss": loss.detach(), "shift.grad": pose.shift.grad}


if __name__ == "__main__":
    out = main()
    print(out["pixels"].dtype, out["loss"])
