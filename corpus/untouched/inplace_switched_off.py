"""Modules and functions with `inplace` present and off."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

ACTIVATIONS = {"relu": partial(nn.ReLU, inplace=False), "elu": partial(nn.ELU, 1.0, False)}


class Block(nn.Module):
    """(N, C, L) -> (N, C, L)."""

    def __init__(self, channels, act="relu", inplace=False):
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, 3, padding=1)
        self.act = ACTIVATIONS[act]()
        self.drop = nn.Dropout(0.1, inplace=False)
        self.leaky = nn.LeakyReLU(0.1, inplace=inplace)

    def forward(self, x):
        y = torch.sigmoid(self.conv(x))
        y = self.drop(self.act(y))
        y = F.relu(y, inplace=False)
        y = F.dropout(y, 0.1, self.training, False)
        return self.leaky(y) + x


def freeze_flags(model):
    """Make sure that no activation works in place."""
    for module in model.modules():
        if hasattr(module, "inplace"):
            module.inplace = False


def main():
    torch.manual_seed(10)
    model = nn.Sequential(Block(3), Block(3, "elu"), nn.ReLU6(False), nn.Hardtanh(-1.0, 1.0, False))
    freeze_flags(model)
    x = torch.randn(2, 3, 5)
    out = model(x)
    out.square().sum().backward()
    return {"out": out.detach(), **{name: p.grad for name, p in model.named_parameters()}}


if __name__ == "__main__":
    print(main()["out"].shape)
