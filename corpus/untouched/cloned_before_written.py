"""A tensor cloned under its own name and written through a view before anybody reads it: that is finished code."""

import torch
from torch import nn


class Cropper(nn.Module):
    """(N, C, H, W) -> (N, C, H, W) with the border damped."""

    def __init__(self, channels):
        super().__init__()
        self.lift = nn.Conv2d(channels, channels, 1)

    def forward(self, images):
        h = torch.exp(0.1 * self.lift(images))
        energy = h.square().mean()
        h = h.clone()
        border = h[:, :, 0, 1:]
        border *= 0.5
        return h, energy


def main():
    torch.manual_seed(74)
    model = Cropper(2)
    out, energy = model(torch.rand(2, 2, 3, 3))
    (out.sum() + energy).backward()
    return {"out": out.detach(), "weight": model.lift.weight.grad}


if __name__ == "__main__":
    print(main()["out"].shape)
