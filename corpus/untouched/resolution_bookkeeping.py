"""Branches of several resolutions whose lists hold layers, places that are left out, sizes and counts; nothing is in place."""

import torch
from torch import nn


class Transition(nn.Module):
    """Brings one map to the resolution of each branch, and counts what it did."""

    def __init__(self, widths: list[int]):
        super().__init__()
        layers: list[nn.Module | None] = [None]
        for i in range(1, len(widths)):
            conv = nn.Conv2d(widths[0], widths[i], 3, 2**i, 1)
            layers.append(nn.Sequential(conv, nn.BatchNorm2d(widths[i]), nn.ReLU(inplace=False)))
        self.layers = nn.ModuleList(layers)
        self.relu = nn.ReLU(False)
        self.calls = [0] * len(widths)
        self.sizes: dict[int, list[int]] = {}

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        levels = []
        total = 0
        for i in range(len(self.layers)):
            if self.layers[i] is not None:
                levels.append(self.layers[i](x))
            else:
                levels.append(self.relu(x))
            self.calls[i] += 1
            self.sizes[i] = list(levels[i].shape[-2:])
            self.sizes[i][0] *= 2
            total += self.calls[i]
        self.calls[-1] -= total - total
        return levels


def main():
    torch.manual_seed(2)
    transition = Transition([4, 6, 8])
    levels = transition(torch.randn(2, 4, 16, 16))
    loss = sum(level.square().mean() for level in levels)
    loss.backward()
    return {
        "levels": [level.detach() for level in levels],
        "calls": transition.calls,
        "sizes": transition.sizes,
        **{name: p.grad for name, p in transition.named_parameters()},
    }


if __name__ == "__main__":
    print(main()["calls"])
