"""Inpainting with partial convolutions: only known pixels enter, the mask grows from layer to layer.

The renormalised features pass an ELU by a positional flag; ELU in place keeps its result, which is then masked and
shifted in place: backward raises. The masks are plain data.
"""

import torch
import torch.nn.functional as F
from torch import nn


class PartialConv(nn.Module):
    """Features (N, C, H, W) and mask (N, 1, H, W) -> the same pair with new channels."""

    def __init__(self, cin, cout):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, 3, padding=1, bias=False)
        self.bias = nn.Parameter(torch.zeros(1, cout, 1, 1))
        self.register_buffer("window", torch.ones(1, 1, 3, 3))

    def forward(self, x, mask):
        with torch.no_grad():
            known = F.conv2d(mask, self.window, padding=1)
            ratio = 9.0 / known.clamp_(min=1.0)
            grown = (known > 1.0).float()
            grown.logical_or_(mask.bool())
        out = self.conv(x * mask)
        out *= ratio
        out = F.elu(out, 0.8, True)
        out *= grown
        out += self.bias
        return out, grown


class Inpainter(nn.Module):
    """Two partial convolutions and a 1x1 output."""

    def __init__(self, width=4):
        super().__init__()
        self.first = PartialConv(1, width)
        self.second = PartialConv(width, width)
        self.out = nn.Conv2d(width, 1, 1)

    def forward(self, image, mask):
        x, m = self.first(image, mask)
        x, _ = self.second(x, m)
        predicted = self.out(x)
        return mask * image + (1 - mask) * predicted, predicted


def holes(size):
    """A mask with one rectangular hole; 1 marks known pixels."""
    mask = torch.ones(1, 1, size, size)
    mask[..., 1:3, 2:5] = 0
    return mask


def main():
    torch.manual_seed(71)
    net = Inpainter()
    image = torch.rand(2, 1, 6, 6)
    filled, predicted = net(image, holes(6).expand(2, -1, -1, -1).clone())
    loss = (predicted - image).abs().mean() + 0.1 * filled.square().mean()
    loss.backward()
    return {"filled": filled.detach(), **{name: p.grad for name, p in net.named_parameters()}}


if __name__ == "__main__":
    print(main()["filled"].mean())
