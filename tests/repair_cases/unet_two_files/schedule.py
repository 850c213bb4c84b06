"""Noise levels from low to high."""

import torch


def noise_levels(steps):
    levels = torch.linspace(0.0, 1.0, steps + 2)[1:-1]
    levels.clamp_(0.05, 0.95)
    return levels
