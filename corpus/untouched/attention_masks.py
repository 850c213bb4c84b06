"""Masks for attention: boolean and additive tables that are filled in place and never require grad."""

import torch
from torch import nn


def causal(length):
    """(L, L), minus infinity above the diagonal."""
    mask = torch.full((length, length), float("-inf"))
    mask.triu_(1)
    return mask


def banded(length, width):
    """(L, L) boolean, True where attention is allowed."""
    allowed = torch.zeros(length, length, dtype=torch.bool)
    for i in range(length):
        allowed[i, max(0, i - width) : i + 1] = True
    return allowed


def padding(lengths, longest):
    """(N, L) boolean, True at padding."""
    mask = torch.zeros(len(lengths), longest, dtype=torch.bool)
    for row, length in enumerate(lengths):
        mask[row, length:] = True
    mask |= torch.arange(longest) >= longest
    return mask


def main():
    torch.manual_seed(58)
    x = torch.randn(2, 4, 6, requires_grad=True)
    project = nn.Linear(6, 6)
    scores = project(x) @ x.transpose(1, 2)
    scores = scores + causal(4)
    scores = scores.masked_fill(~banded(4, 2), float("-inf"))
    out = torch.softmax(scores, dim=-1) @ x
    out = out.masked_fill(padding([3, 4], 4).unsqueeze(-1), 0.0)
    out.square().sum().backward()
    return {"out": out.detach(), "x.grad": x.grad, "grad": project.weight.grad}


if __name__ == "__main__":
    print(main()["out"].shape)
