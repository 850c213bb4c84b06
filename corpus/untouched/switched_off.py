"""Flags that a name decides, and that are off: a constant, a default, what is computed from one, another class's word."""

import torch
from torch import nn
from torch.nn import functional as F

INPLACE = False
SAVE_MEMORY = True


class Cache:
    """The last values of something, kept in place or copied."""

    def __init__(self, inplace=SAVE_MEMORY):
        self.inplace = inplace
        self.values = []

    def keep(self, value):
        self.values = [*self.values, value] if not self.inplace else [value]


class Block(nn.Module):
    """(N, C) -> (N, C)."""

    def __init__(self, channels, inplace=False, deterministic=True):
        super().__init__()
        self.fc = nn.Linear(channels, channels)
        self.norm = nn.LayerNorm(channels)
        self.act = nn.ReLU(inplace=inplace)
        self.gate = nn.Hardswish(INPLACE)
        self.drop = nn.Dropout(0.0, inplace=not deterministic)

    def forward(self, x):
        h = torch.tanh(self.fc(x))
        return self.drop(self.gate(self.norm(x))) + self.act(h) * F.relu(h, INPLACE)


def main():
    torch.manual_seed(92)
    cache, block = Cache(), Block(3)
    x = torch.randn(4, 3, requires_grad=True)
    out = block(x)
    loss = out.square().sum()
    loss.backward()
    cache.keep(loss.item())
    return {"out": out.detach(), "last": cache.values[-1], "x": x.grad, **{n: p.grad for n, p in block.named_parameters()}}


if __name__ == "__main__":
    print(main()["out"])
