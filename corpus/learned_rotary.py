"""Rotary position embeddings with learnable frequencies, and attention scores from them.

Because the frequencies are learnable, the products with cos and sin keep the queries and keys. The rotated halves are
stored into fresh buffers, which is fine; scaling the keys in place after they were used is not: backward raises.
"""

import torch
from torch import nn


class Rotary(nn.Module):
    """Rotates (N, T, D) by position-dependent angles; D is even."""

    def __init__(self, dim, base=100.0):
        super().__init__()
        exponent = torch.arange(0, dim, 2, dtype=torch.float32)
        exponent /= dim
        self.log_freq = nn.Parameter(-exponent * torch.log(torch.tensor(base)))

    def forward(self, x):
        half = x.shape[-1] // 2
        position = torch.arange(x.shape[1], dtype=x.dtype)
        angle = position[:, None] * self.log_freq.exp()
        cos, sin = angle.cos(), angle.sin()
        x1, x2 = x[..., :half], x[..., half:]
        rotated = torch.empty_like(x)
        rotated[..., :half] = x1 * cos - x2 * sin
        rotated[..., half:] = x2 * cos + x1 * sin
        return rotated


class Scores(nn.Module):
    """Attention weights (N, T, T) of tokens (N, T, D)."""

    def __init__(self, dim):
        super().__init__()
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.rotary = Rotary(dim)

    def forward(self, x):
        q = self.rotary(self.query(x))
        k = self.key(x)
        rotated = self.rotary(k)
        k *= 0.1
        rotated += k
        scores = q @ rotated.transpose(1, 2)
        scores *= x.shape[-1] ** -0.5
        return scores.softmax(-1)


def main():
    torch.manual_seed(16)
    model = Scores(6)
    x = torch.randn(2, 4, 6)
    weights = model(x)
    loss = -weights.diagonal(dim1=1, dim2=2).log().mean()
    loss.backward()
    return {"weights": weights.detach(), **{f"grad.{n}": p.grad for n, p in model.named_parameters()}}


if __name__ == "__main__":
    print(main()["weights"][0])
