"""Targets of a detector, drawn into maps that lie in a dict and in lists: nothing of it has a gradient.

The maps are made of boxes alone, the counts are numbers, the drawing is numpy's; what the network gives is only read.
"""

import numpy as np
import torch
from torch import nn

CLASSES = 2


def drawn(boxes, size):
    """Boxes (x, y, width, height, class) -> centre (C, H, W), extent (2, H, W) and how many there are of each class."""
    maps = {"centre": torch.zeros(CLASSES, size, size), "extent": torch.zeros(2, size, size)}
    levels = [torch.zeros(size, size), torch.zeros(size // 2, size // 2)]
    counts = [0] * CLASSES
    board = {"heat": np.zeros((size, size), dtype=np.float32)}
    for x, y, width, height, label in boxes:
        maps["centre"][label, y, x] = 1.0
        maps["extent"][:, y, x] += torch.tensor([float(width), float(height)])
        levels[0][y, x] += 1
        levels[1][y // 2, x // 2].add_(1)
        board["heat"][y, :] += 0.25
        counts[label] += 1
    maps["extent"][0].div_(size)
    return maps, levels, counts, board


def loss_of(prediction, maps, heat):
    centre, extent = prediction[:, :CLASSES].sigmoid(), prediction[:, CLASSES:]
    weight = 1 + torch.from_numpy(heat)
    hit = (centre - maps["centre"]).square() * weight
    return hit.mean() + (extent - maps["extent"]).abs().mean()


def main():
    torch.manual_seed(72)
    net = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.Tanh(), nn.Conv2d(6, CLASSES + 2, 1))
    maps, levels, counts, board = drawn([(1, 2, 3, 4, 0), (5, 3, 2, 2, 1), (1, 6, 1, 1, 1)], size=8)
    loss = loss_of(net(torch.randn(1, 3, 8, 8)), maps, board["heat"])
    loss.backward()
    gradients = {name: p.grad for name, p in net.named_parameters()}
    return {"loss": loss.detach(), "coarse": levels[1], "counts": torch.tensor(counts), **gradients}


if __name__ == "__main__":
    print(main()["loss"])
