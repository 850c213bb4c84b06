"""Multi-head self-attention with a causal mask and attention dropout by hand.

`softmax` keeps its output; `attn *= keep` overwrites it, and backward raises. The masking of the scores before the
softmax is done in place as well, on a value that nobody has kept: that one is harmless.
"""

import math

import torch
from torch import nn


class SelfAttention(nn.Module):
    """(N, T, D) -> (N, T, D) with `heads` heads; a query sees itself and what came before."""

    def __init__(self, dim, heads, dropout=0.25):
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def split(self, x):
        n, t, d = x.shape
        return x.view(n, t, self.heads, d // self.heads).transpose(1, 2)

    def forward(self, x):
        q, k, v = (self.split(part) for part in self.qkv(x).chunk(3, dim=-1))
        scores = q @ k.transpose(-2, -1)
        scores /= math.sqrt(q.shape[-1])

        future = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool)
        future.triu_(1)
        scores.masked_fill_(future, float("-inf"))

        attn = torch.softmax(scores, dim=-1)
        if self.training:
            keep = torch.rand_like(attn).gt_(self.dropout)
            keep /= 1 - self.dropout
            attn *= keep
        mixed = (attn @ v).transpose(1, 2).reshape(x.shape)
        return self.out(mixed)


def main():
    torch.manual_seed(3)
    layer = SelfAttention(8, heads=2)
    tokens = torch.randn(2, 5, 8, requires_grad=True)
    y = layer(tokens)
    loss = (y * y).mean()
    loss.backward()
    result = {"y": y.detach(), "tokens.grad": tokens.grad}
    result.update({f"grad.{name}": p.grad for name, p in layer.named_parameters()})
    return result


if __name__ == "__main__":
    for name, value in main().items():
        print(f"{name:18s} {tuple(value.shape)}")
