"""A gate computed in float32 whatever the model runs in: `float()` gives the tensor itself where that is float32 already.

In half precision `wide` is a copy, and the gains reach it alone; in float32 they reach `h` as well, which tanh has kept.
"""

import torch
from torch import nn


class WideGate(nn.Module):
    """(N, D) -> (N, D): features, times gains that are computed in full precision."""

    def __init__(self, dim):
        super().__init__()
        self.inward = nn.Linear(dim, dim)
        self.gain = nn.Linear(dim, dim)

    def forward(self, x):
        h = torch.tanh(self.inward(x))
        wide = h.float()
        steps = {"taken": 0}
        steps["taken"] += 1
        wide.mul_(self.gain(x).exp())
        return h + wide.to(h.dtype) / steps["taken"]


def flattened(maps):
    hot = torch.sigmoid(maps)
    rows = hot.transpose(1, 2)
    flat = rows.reshape(len(rows), -1)  # a copy, as long as nobody turns the maps
    flat[:, 0] = 0
    return rows.square().mean() + flat.sum()


def main():
    torch.manual_seed(7)
    gate = WideGate(6)
    out = gate(torch.randn(4, 6))
    loss = out.sum() + flattened(out.view(4, 2, 3))
    loss.backward()
    return {"out": out.detach(), "loss": loss.detach(), **{n: p.grad for n, p in gate.named_parameters()}}


if __name__ == "__main__":
    print(main()["loss"])
