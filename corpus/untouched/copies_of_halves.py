"""Conversions whose results are written, and that nobody can mistake for what they came from, or that nobody tracks."""

import torch
from torch import nn


def whitened(images):
    wide = images.float()  # images come in without a graph
    wide -= wide.mean(0)
    return wide, images.dtype


def quantised(codes):
    steps = codes.long()
    steps += 1
    return steps * codes.to(torch.int64)


class Head(nn.Module):
    """A layer that rescales what it has just converted, out of place."""

    def __init__(self, dim):
        super().__init__()
        self.linear = nn.Linear(dim, dim)

    def forward(self, x):
        h = torch.tanh(self.linear(x))
        wide = h.float()
        wide = wide * 2
        flat = h.clone().reshape(-1)
        return wide.to(h.dtype) + h, flat


def main():
    torch.manual_seed(2)
    head = Head(4)
    images, _ = whitened(torch.rand(3, 4))
    out, flat = head(images)
    (out.sum() + flat.square().sum()).backward()
    return {"out": out.detach(), "codes": quantised(torch.tensor([0, 2])), "weight": head.linear.weight.grad}


if __name__ == "__main__":
    print(main()["out"])
