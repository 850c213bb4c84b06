"""Nested functions that count, collect and compute in variables of the function around them."""

import torch
from torch import nn


def smoothed(values):
    total, seen = 0.0, []

    def take(value):
        nonlocal total
        total += value
        seen.append(total)

    for value in values:
        take(value)
    return seen


def faded(linear, x):
    h = torch.tanh(linear(x))

    def fade():
        nonlocal h
        h = h * 0.5

    fade()
    fade()
    return h


def main():
    torch.manual_seed(24)
    linear = nn.Linear(2, 2)
    out = faded(linear, torch.randn(3, 2))
    loss = out.square().mean()
    loss.backward()
    return {"out": out.detach(), "seen": torch.tensor(smoothed([1.0, 2.0])), "weight": linear.weight.grad}


if __name__ == "__main__":
    print(main()["out"])
