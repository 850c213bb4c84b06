"""A small configurable convolutional network; the activation is chosen by name.

The table builds its activations with `inplace=True`. The head normalises with a sigmoid, which keeps its output, and
then runs the configured activation on that output in place: backward raises.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

ACTIVATIONS = {
    "relu": nn.ReLU(inplace=True),
    "leaky": nn.LeakyReLU(0.1, inplace=True),
    "hardtanh": nn.Hardtanh(-0.75, 0.75, inplace=True),
}

make_elu = partial(nn.ELU, alpha=0.5, inplace=True)


class Stage(nn.Module):
    """Convolution, group normalisation, activation; halves the resolution."""

    def __init__(self, cin, cout, act):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, 3, stride=2, padding=1)
        self.norm = nn.GroupNorm(2, cout)
        self.act = act

    def forward(self, x):
        y = self.norm(self.conv(x))
        return self.act(y)


class Net(nn.Module):
    """(N, 3, H, W) -> attributes (N, K)."""

    def __init__(self, names, classes=4):
        super().__init__()
        self.stage1 = Stage(3, 4, ACTIVATIONS[names[0]])
        self.stage2 = Stage(4, 6, make_elu())
        self.head = nn.Linear(6, classes)
        self.bound = nn.Hardtanh(0.25, 0.75, True)

    def forward(self, images):
        x = self.stage2(self.stage1(images))
        scores = torch.sigmoid(self.head(x.mean(dim=(2, 3))))
        self.bound(scores)
        return scores


def main():
    torch.manual_seed(34)
    values = {}
    images = torch.randn(2, 3, 8, 8)
    for name in ("relu", "leaky"):
        net = Net([name])
        scores = net(images)
        loss = F.mse_loss(scores, torch.full_like(scores, 0.5))
        loss.backward()
        values[f"{name}.scores"] = scores.detach()
        values.update({f"{name}.{n}": p.grad for n, p in net.named_parameters()})
    return values


if __name__ == "__main__":
    print(main()["relu.scores"])
