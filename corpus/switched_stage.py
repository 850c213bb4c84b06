"""A video stage whose activations are in place by a constant of the file, and by a parameter of its blocks.

Behind a batch norm they do no harm. The channel gate is a sigmoid, which keeps its output, and the activation behind it
writes into that: backward raises.
"""

import torch
from torch import nn
from torch.nn import functional as F

INPLACE = True


class Branch(nn.Module):
    """(N, C, T, H, W) -> the same: a convolution over time, then one over space."""

    def __init__(self, channels, inplace_relu=True, bn_eps=1e-5):
        super().__init__()
        self.over_time = nn.Sequential(
            nn.Conv3d(channels, channels, (3, 1, 1), padding=(1, 0, 0), bias=False),
            nn.BatchNorm3d(channels, eps=bn_eps),
            nn.ReLU(inplace=inplace_relu),
        )
        self.over_space = nn.Conv3d(channels, channels, (1, 3, 3), padding=(0, 1, 1), bias=False)
        self.norm = nn.BatchNorm3d(channels, eps=bn_eps)
        self.relu = nn.ReLU(inplace_relu)

    def forward(self, x):
        h = self.norm(self.over_space(self.over_time(x)))
        return self.relu(h + x)


class Gate(nn.Module):
    """(N, C, T, H, W) -> the same: channels that are open by less than a quarter are closed."""

    def __init__(self, channels):
        super().__init__()
        self.fc = nn.Linear(channels, channels)
        self.cut = nn.ELU(inplace=INPLACE)

    def forward(self, x):
        open_by = torch.sigmoid(self.fc(x.mean(dim=(2, 3, 4))))
        open_by = self.cut(open_by)
        return x * open_by[:, :, None, None, None]


class Stage(nn.Module):
    """(N, C, T, H, W) -> (N, classes)."""

    def __init__(self, channels=2, depth=2, classes=3, inplace_relu=True):
        super().__init__()
        self.branches = nn.Sequential(*(Branch(channels, inplace_relu) for _ in range(depth)))
        self.gate = Gate(channels)
        self.head = nn.Linear(channels, classes)
        self.inplace = inplace_relu

    def forward(self, clips):
        features = self.gate(self.branches(clips))
        pooled = F.leaky_relu(features.mean(dim=(2, 3, 4)), 0.1, inplace=self.inplace)
        return self.head(pooled)


def main():
    torch.manual_seed(91)
    stage = Stage()
    logits = stage(torch.randn(2, 2, 3, 4, 4))
    loss = F.cross_entropy(logits, torch.tensor([0, 2]))
    loss.backward()
    return {"logits": logits.detach(), **{name: p.grad for name, p in stage.named_parameters()}}


if __name__ == "__main__":
    print(main()["logits"])
