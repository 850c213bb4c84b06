"""A pre-activation block whose shortcut is a second name for a tensor that is then shifted in place.

`shortcut = h` copies nothing: the shift is part of what is added at the end, and rebinding `h` alone would take it away
from there. That write breaks no backward. The softmax pooling does: its output is scaled in place.
"""

import torch
import torch.nn.functional as F
from torch import nn


class ShiftBlock(nn.Module):
    """(N, C, L) -> (N, C, L)."""

    def __init__(self, channels):
        super().__init__()
        self.inner = nn.Conv1d(channels, channels, 3, padding=1)
        self.outer = nn.Conv1d(channels, channels, 1)
        self.shift = nn.Parameter(torch.full((channels, 1), 0.5))

    def forward(self, x):
        h = self.inner(x)
        shortcut = h
        h += self.shift
        out = self.outer(F.relu(h))
        return out + shortcut


class AttentionPool(nn.Module):
    """(N, C, L) -> (N, C): softmax weights over time, scaled by the length."""

    def __init__(self, channels):
        super().__init__()
        self.score = nn.Conv1d(channels, 1, 1)

    def forward(self, x):
        weights = torch.softmax(self.score(x), dim=-1)
        weights *= x.shape[-1]
        return (weights * x).mean(dim=-1)


def main():
    torch.manual_seed(62)
    block, pool = ShiftBlock(4), AttentionPool(4)
    x = torch.randn(3, 4, 6, requires_grad=True)
    pooled = pool(block(x))
    loss = pooled.square().sum()
    loss.backward()
    values = {"pooled": pooled.detach(), "x.grad": x.grad}
    for module in (block, pool):
        for name, parameter in module.named_parameters():
            values[f"{type(module).__name__}.{name}"] = parameter.grad
    return values


if __name__ == "__main__":
    print(main()["pooled"])
