"""Feature maps of several scales, kept in a list and weighted one by one in place.

tanh and sigmoid keep what they gave, and the loops write it: through the variable of a loop over the list, and over a
dict of losses, whose values are scaled before they are summed.
"""

import torch
from torch import nn


class Pyramid(nn.Module):
    """(N, D) -> three maps of the same size."""

    def __init__(self, dim):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(dim, dim) for _ in range(3))
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        maps = [torch.tanh(layer(x)) for layer in self.layers]
        seen = {"maps": 0}
        for one in maps:
            one.mul_(self.weight)  # the same for all scales
            seen["maps"] += 1
        return maps


def total(maps):
    losses = {"first": torch.sigmoid(maps[0]).mean(), "rest": torch.sigmoid(maps[1] + maps[2]).mean()}
    for name, loss in losses.items():
        loss *= 2 if name == "rest" else 1
    return sum(losses.values())


def main():
    torch.manual_seed(3)
    pyramid = Pyramid(5)
    maps = pyramid(torch.randn(4, 5))
    loss = total(maps)
    loss.backward()
    return {"maps": torch.stack(maps).detach(), "loss": loss.detach(), **{n: p.grad for n, p in pyramid.named_parameters()}}


if __name__ == "__main__":
    print(main()["loss"])
