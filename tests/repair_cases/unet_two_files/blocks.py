"""Convolution blocks with a time embedding."""

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time = nn.Linear(1, outputs)

    def forward(self, x, level):
        h = torch.tanh(self.conv(x))
        h += self.time(level.view(1, 1)).view(1, -1, 1, 1)
        return h


class Denoiser(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.down = Block(1, width)
        self.up = Block(width, width)
        self.out = nn.Conv2d(width, 1, 1)

    def forward(self, x, level):
        h = self.down(x, level)
        h = self.up(h, level)
        return self.out(h)
