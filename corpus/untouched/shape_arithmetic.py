"""Shapes, sizes and paddings: integers and tuples taken from tensors and changed in place."""

import torch
import torch.nn.functional as F
from torch import nn


def conv_output(size, kernel, stride=1, padding=0):
    """Length after a convolution."""
    size += 2 * padding
    size -= kernel
    size //= stride
    size += 1
    return size


class Pyramid(nn.Module):
    """Pads, pools and records the shapes it has seen."""

    def __init__(self, levels):
        super().__init__()
        self.levels = levels
        self.shapes = []
        self.total = 0
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x):
        n, c, length = x.shape
        dims = list(x.shape)
        features = ()
        for level in range(self.levels):
            pad = -length % 2
            length += pad
            x = F.avg_pool1d(F.pad(x, (0, pad)), 2) * self.weight
            length //= 2
            dims[-1] = length
            features += (x.mean(),)
            self.shapes += [tuple(dims)]
            self.total += x.numel()
            n *= 1 + level
        c -= 1
        return torch.stack(features), n, c


def main():
    torch.manual_seed(29)
    model = Pyramid(3)
    features, n, c = model(torch.randn(2, 3, 9))
    features.sum().backward()
    return {
        "features": features.detach(),
        "shapes": model.shapes,
        "sizes": (n, c, model.total, conv_output(9, 3, 2, 1)),
        "weight.grad": model.weight.grad,
    }


if __name__ == "__main__":
    print(main())
