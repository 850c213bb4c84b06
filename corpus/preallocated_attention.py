"""Attention that writes its scores into a preallocated buffer to save memory.

It works under `no_grad` and dies in the forward pass of training: torch refuses `out=` when an argument requires grad.
The relative position bias and the lengths are prepared without gradient.
"""

import torch
from torch import nn


class BufferedAttention(nn.Module):
    """(T, D) -> (T, D) for sequences of at most `longest` tokens."""

    def __init__(self, dim, longest):
        super().__init__()
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.scale = dim**-0.5
        distance = torch.arange(longest)[:, None] - torch.arange(longest)[None, :]
        distance.abs_()
        self.register_buffer("bias", -0.1 * distance.float())

    def forward(self, x):
        steps = len(x)
        scores = torch.empty(steps, steps)
        torch.matmul(self.query(x), self.key(x).t(), out=scores)
        biased = scores * self.scale + self.bias[:steps, :steps]
        return torch.softmax(biased, dim=-1) @ self.value(x)


def evaluate(layer, x):
    """What works today: the same layer without gradients."""
    with torch.no_grad():
        buffer = torch.empty(len(x))
        torch.sum(layer(x), dim=1, out=buffer)
    return buffer


def main():
    torch.manual_seed(55)
    layer = BufferedAttention(4, longest=8)
    x = torch.randn(5, 4)
    sums = evaluate(layer, x)
    y = layer(x)
    loss = y.square().mean()
    loss.backward()
    return {"sums": sums, "y": y.detach(), **{name: p.grad for name, p in layer.named_parameters()}}


if __name__ == "__main__":
    print(main()["sums"])
