"""Pairs and lists whose elements are numbers, or tensors that are bound anew and never written."""

import torch
from torch import nn


def moments(values):
    total, count = 0.0, 0
    pair = [total, count]
    for value in values:
        total += value
        count += 1
        pair[0] += value
    return pair[0] / count


def packed(linear, x):
    hidden = torch.tanh(linear(x))
    pair = (hidden, x)
    hidden = hidden * 2
    return pair[0] + hidden, pair


def shifted(points):
    first, second = points
    both = [first, second]
    both[0] = both[0] + 1
    return both


def main():
    torch.manual_seed(18)
    linear = nn.Linear(2, 2)
    out, _ = packed(linear, torch.randn(3, 2))
    left, right = shifted((out, out * 2))
    loss = (left * right).mean()
    loss.backward()
    return {"loss": loss.detach(), "mean": torch.tensor(moments([1.0, 2.0])), "weight": linear.weight.grad}


if __name__ == "__main__":
    print(main()["loss"])
