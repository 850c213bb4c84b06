"""Constant tables built in place in constructors: positions, windows and filters that carry no gradient."""

import math

import torch
from torch import nn


def hann(size):
    """A Hann window."""
    window = torch.arange(size, dtype=torch.float32)
    window.mul_(2 * math.pi / size).cos_().neg_().add_(1)
    window *= 0.5
    return window


class FourierPositions(nn.Module):
    """Adds a table of sines and cosines to (N, T, D)."""

    def __init__(self, dim, longest):
        super().__init__()
        table = torch.zeros(longest, dim)
        position = torch.arange(longest, dtype=torch.float32)[:, None]
        rate = torch.exp(torch.arange(0, dim, 2).float() * (-math.log(100.0) / dim))
        table[:, 0::2] = torch.sin(position * rate)
        table[:, 1::2] = torch.cos(position * rate)
        table /= table.abs().max()
        self.register_buffer("table", table)
        mask = torch.full((longest, longest), float("-inf"))
        mask.triu_(diagonal=1)
        self.register_buffer("mask", mask)
        self.longest = longest
        self.longest -= 0

    def forward(self, x):
        return x + self.table[: x.shape[1]]


def main():
    torch.manual_seed(24)
    layer = FourierPositions(4, 6)
    x = torch.randn(2, 5, 4, requires_grad=True)
    y = layer(x) * hann(5)[None, :, None]
    y.square().sum().backward()
    return {"y": y.detach(), "x.grad": x.grad, "mask": layer.mask}


if __name__ == "__main__":
    print(main()["mask"])
