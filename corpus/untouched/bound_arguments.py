"""A head of a detector whose layers are made, and called, through partials; none of them writes in place.

`partial(F.relu)` leaves the flag off, `partial(F.relu, inplace=False)` says so, `partial(setattr, ...)` and
`partial(counts.update, ...)` write into objects that are no tensors.
"""

from collections import Counter
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

activation = partial(F.relu)
bounded = partial(F.relu6, inplace=False)
norm = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.1)


class Tower(nn.Module):
    """Three convolutions over one level of a pyramid, (N, C, H, W)."""

    def __init__(self, width, depth=3):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(width, width, 3, padding=1) for _ in range(depth)])
        self.norms = nn.ModuleList([norm(width) for _ in range(depth)])

    def forward(self, x):
        for conv, each in zip(self.convs, self.norms):
            x = activation(each(conv(x)))
        return bounded(x)


class Head(nn.Module):
    """Boxes (N, 4, H, W) and scores (N, K, H, W) of every level."""

    def __init__(self, width=4, classes=3):
        super().__init__()
        self.tower = Tower(width)
        self.boxes = nn.Conv2d(width, 4, 1)
        self.scores = nn.Conv2d(width, classes, 1)

    def forward(self, levels):
        seen = [self.tower(level) for level in levels]
        return [F.softplus(self.boxes(one)) for one in seen], [self.scores(one) for one in seen]


def main():
    torch.manual_seed(32)
    head, counts = Head(), Counter()
    count = partial(counts.update, {"levels": 2})
    boxes, scores = head([torch.rand(1, 4, 8, 8), torch.rand(1, 4, 4, 4)])
    count()
    freeze = partial(setattr, head, "frozen")
    freeze(False)
    loss = sum(one.mean() for one in boxes) + sum(one.square().mean() for one in scores)
    loss.backward()
    return {"loss": loss.detach(), "levels": torch.tensor(counts["levels"]),
            **{name: p.grad for name, p in head.named_parameters()}}


if __name__ == "__main__":
    print(main()["loss"])
