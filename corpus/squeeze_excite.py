"""A bottleneck with squeeze-and-excitation.

The block ends in a ReLU, which keeps its output; the channel weights are then multiplied onto that output in place, and
backward raises. The flags given by position inside the excitation act on values that nobody else holds.
"""

import torch
import torch.nn.functional as F
from torch import nn


class SqueezeExcite(nn.Module):
    """Channel weights (N, C, 1, 1) in (0, 1) for features (N, C, H, W)."""

    def __init__(self, channels, reduction=2):
        super().__init__()
        self.reduce = nn.Conv2d(channels, channels // reduction, 1)
        self.expand = nn.Conv2d(channels // reduction, channels, 1)

    def forward(self, x):
        s = F.adaptive_avg_pool2d(x, 1)
        s = F.relu(self.reduce(s), True)
        return F.hardsigmoid(self.expand(s), True)


class Bottleneck(nn.Module):
    """1x1 - 3x3 depthwise - 1x1 with excitation before the projection."""

    def __init__(self, cin, expansion=2):
        super().__init__()
        width = cin * expansion
        self.expand = nn.Conv2d(cin, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.se = SqueezeExcite(width)
        self.project = nn.Conv2d(width, cin, 1)

    def forward(self, x):
        out = F.relu6(self.bn1(self.expand(x)))
        out = F.relu(self.bn2(self.depthwise(out)))
        out *= self.se(out)
        return x + self.project(out)


def main():
    torch.manual_seed(14)
    block = Bottleneck(4)
    x = torch.randn(2, 4, 6, 6, requires_grad=True)
    out = block(x)
    loss = out.square().mean()
    loss.backward()
    values = {"out": out.detach(), "x.grad": x.grad}
    for name, parameter in block.named_parameters():
        values[name] = parameter.grad
    return values


if __name__ == "__main__":
    print(list(main()))
