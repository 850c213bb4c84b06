"""A residual classifier whose blocks end in a sigmoid gate.

`torch.sigmoid` keeps its output for the backward pass, and `gate += identity` overwrites that output: backward raises.
"""

import torch
import torch.nn.functional as F
from torch import nn


class GatedBlock(nn.Module):
    """Two 3x3 convolutions, a sigmoid and a skip connection; keeps shape (N, C, H, W)."""

    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        identity = x
        out = F.relu(self.norm1(self.conv1(x)))
        gate = torch.sigmoid(self.conv2(out))
        gate += identity
        return gate


class HighwayNet(nn.Module):
    """Stem, a stack of gated blocks, global average pooling and a linear head."""

    def __init__(self, width=6, depth=2, classes=4):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        blocks = []
        for _ in range(depth):
            blocks += [GatedBlock(width)]
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(width, classes)

    def forward(self, images):
        features = self.blocks(self.stem(images))
        pooled = features.mean(dim=(2, 3))
        return self.head(pooled)


def main():
    torch.manual_seed(0)
    model = HighwayNet()
    images = torch.randn(4, 3, 8, 8)
    labels = torch.tensor([0, 1, 2, 3])
    logits = model(images)
    loss = F.cross_entropy(logits, labels)
    loss.backward()

    values = {"logits": logits.detach(), "loss": loss.detach()}
    for name, parameter in model.named_parameters():
        values[f"grad.{name}"] = parameter.grad
    return values


if __name__ == "__main__":
    result = main()
    print("loss", result["loss"].item(), "with", len(result) - 2, "gradients")
