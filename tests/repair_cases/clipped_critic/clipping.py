"""Constraints on weights."""

import torch


def clip_weights(module, bound):
    """Every weight of `module` into [-bound, bound]; biases are left alone."""
    for name, parameter in module.named_parameters():
        if name.endswith("weight"):
            parameter.clamp_(-bound, bound)


def largest(module):
    with torch.no_grad():
        return max(parameter.abs().max().item() for parameter in module.parameters())
