"""A coupling layer that cuts its features with `chunk` and scales one piece in place.

The pieces are views that one call gave, which torch refuses to write where they require grad; and the features are read
as a whole afterwards, so that the scaled piece has to come back into them.
"""

import torch
from torch import nn


class SplitCoupling(nn.Module):
    """(N, D) -> (N, D) and a penalty: the second half is scaled and moved by functions of the first."""

    def __init__(self, dim, hidden):
        super().__init__()
        self.inward = nn.Linear(dim, dim)
        self.scale = nn.Sequential(nn.Linear(dim // 2, hidden), nn.Tanh(), nn.Linear(hidden, dim // 2))
        self.shift = nn.Linear(dim // 2, dim // 2)

    def forward(self, x):
        h = torch.tanh(self.inward(x))
        calls = {"seen": 0}
        calls["seen"] += len(h)
        first, second = h.chunk(2, dim=1)
        second.mul_(self.scale(first).exp())
        second.add_(self.shift(first))  # both writes belong to h
        return h, h.square().mean() / calls["seen"]


def main():
    torch.manual_seed(61)
    layer = SplitCoupling(4, 6)
    out, penalty = layer(torch.randn(5, 4))
    loss = out.sum() + penalty
    loss.backward()
    return {"out": out.detach(), "loss": loss.detach(), **{n: p.grad for n, p in layer.named_parameters()}}


if __name__ == "__main__":
    print(main()["loss"])
