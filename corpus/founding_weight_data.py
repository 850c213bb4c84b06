"""A layer that doubles its own weight, through `.data`, whenever it is called.

The write is not recorded by autograd: the gradient of `weight` is x itself, and one forward with one backward is right.
With two forwards before one backward the first product has kept the weight, which the second call doubles behind
autograd's back: the gradient of the first input is computed from the wrong weight, silently. The write is a
state update that later calls depend on, so there is no out-of-place form of the line that means the same.
"""

import torch
from torch import nn


class Doubling(nn.Module):
    """Elementwise scale by a weight that grows with every call."""

    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        self.weight.data *= 2
        return x * self.weight


def main():
    torch.manual_seed(0)
    once = Doubling(3)
    x = torch.randn(3, requires_grad=True)
    out = once(x)
    out.sum().backward()

    twice = Doubling(3)
    a = torch.randn(3, requires_grad=True)
    b = torch.randn(3, requires_grad=True)
    total = twice(a).sum()
    total = total + twice(b).sum()
    total.backward()
    return {
        "out": out.detach(),
        "once.weight.grad": once.weight.grad,
        "x.grad": x.grad,
        "total": total.detach(),
        "twice.weight": twice.weight.detach(),
        "twice.weight.grad": twice.weight.grad,
        "a.grad": a.grad,
        "b.grad": b.grad,
        "calls": twice.calls,
    }


if __name__ == "__main__":
    for name, value in main().items():
        print(name, value)
