"""A block whose normalisation may be left out: then its shortcut is the very tensor that is scaled in place.

sigmoid has kept what it gave.  Whether the shortcut must see the gain depends on how the block was made.
"""

import torch
from torch import nn


class Block(nn.Module):
    """(N, D) -> (N, D)"""

    def __init__(self, dim, *, normalised):
        super().__init__()
        self.linear = nn.Linear(dim, dim)
        self.gain = nn.Parameter(torch.full((dim,), 0.5))
        self.normalised = normalised

    def forward(self, x):
        shortcut = torch.sigmoid(self.linear(x))
        h = shortcut
        if self.normalised:
            h = (h - h.mean(-1, keepdim=True)) / (h.std(-1, keepdim=True) + 1e-5)
        rounds = {"taken": 0}
        rounds["taken"] += 1
        h *= self.gain
        return h + shortcut * rounds["taken"]


def main():
    torch.manual_seed(21)
    blocks = nn.ModuleList(Block(4, normalised=normalised) for normalised in (True, False))
    out = torch.randn(3, 4)
    for block in blocks:
        out = block(out)
    loss = out.square().mean()
    loss.backward()
    return {"out": out.detach(), "loss": loss.detach(), **{n: p.grad for n, p in blocks.named_parameters()}}


if __name__ == "__main__":
    print(main()["loss"])
