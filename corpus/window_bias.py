"""Window attention that adds a learned bias to its scores through another shape of them.

The scores are kept by the entropy term before the bias is added to a view of the same memory; the softmax reads them in
the first shape afterwards.
"""

import torch
from torch import nn


class WindowAttention(nn.Module):
    """(W * N, D) tokens of W windows -> (W * N, D), and the entropy of the raw scores."""

    def __init__(self, dim, windows, tokens):
        super().__init__()
        self.windows, self.tokens = windows, tokens
        self.qkv = nn.Linear(dim, 3 * dim)
        self.bias = nn.Parameter(torch.zeros(tokens, tokens))
        self.strength = nn.Parameter(torch.ones(windows))

    def forward(self, x):
        q, k, v = self.qkv(x).view(self.windows, self.tokens, -1).chunk(3, dim=-1)
        scores = (q @ k.transpose(1, 2)).view(self.windows * self.tokens, self.tokens)
        sharpness = scores.square().mean()
        by_window = scores.view(self.windows, self.tokens, self.tokens)
        by_window += self.bias * self.strength.view(-1, 1, 1)
        weights = scores.softmax(dim=-1).view(self.windows, self.tokens, self.tokens)
        return (weights @ v).reshape(x.shape), sharpness


def main():
    torch.manual_seed(63)
    attention = WindowAttention(4, 2, 3)
    with torch.no_grad():
        attention.bias += 0.1 * torch.randn(3, 3)
    out, sharpness = attention(torch.randn(6, 4))
    loss = out.square().sum() + sharpness
    loss.backward()
    return {"out": out.detach(), "loss": loss.detach(), **{n: p.grad for n, p in attention.named_parameters()}}


if __name__ == "__main__":
    print(main()["loss"])
