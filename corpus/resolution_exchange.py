"""Branches of several resolutions exchange what they found: lists of layers with places that are left out."""

import torch
from torch import nn


def normed(inward: int, outward: int, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inward, outward, 3, stride, 1, bias=False), nn.BatchNorm2d(outward)]


class Exchange(nn.Module):
    """Each branch gets the sum of all, brought to its own resolution."""

    def __init__(self, widths: list[int]):
        super().__init__()
        self.branches = len(widths)
        self.fuse = self._make_fuse(widths)
        self.relu = nn.ReLU(True)

    def _make_fuse(self, widths: list[int]) -> nn.ModuleList:
        fuse = []
        for i in range(len(widths)):
            row = []
            for j in range(len(widths)):
                if j > i:
                    up = nn.Upsample(scale_factor=2 ** (j - i), mode="nearest")
                    row.append(nn.Sequential(nn.Conv2d(widths[j], widths[i], 1, bias=False), up))
                elif j == i:
                    row.append(None)
                else:
                    steps = [nn.Sequential(*normed(widths[j], widths[j], 2), nn.ReLU(True)) for _ in range(i - j - 1)]
                    row.append(nn.Sequential(*steps, *normed(widths[j], widths[i], 2)))
            fuse.append(nn.ModuleList(row))
        return nn.ModuleList(fuse)

    def forward(self, x: list[torch.Tensor]) -> list[torch.Tensor]:
        if self.branches == 1:
            return [torch.tanh(x[0])]
        fused = []
        for i in range(len(self.fuse)):
            y = x[0] if i == 0 else self.fuse[i][0](x[0])
            for j in range(1, self.branches):
                if i == j:
                    y = y + x[j]
                else:
                    y = y + self.fuse[i][j](x[j])
            fused.append(self.relu(y))
        return fused


class Network(nn.Module):
    """A stem, a transition that adds two coarser branches, an exchange, a head on the finest."""

    def __init__(self, widths: list[int]):
        super().__init__()
        self.stem = nn.Sequential(*normed(3, widths[0]), nn.ReLU(inplace=True))
        transition = [None]
        for i in range(1, len(widths)):
            transition.append(nn.Sequential(*normed(widths[0], widths[i], 2**i), nn.ReLU(inplace=True)))
        self.transition = nn.ModuleList(transition)
        self.exchange = Exchange(widths)
        self.head = nn.Conv2d(widths[0], 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        levels = []
        for i in range(len(self.transition)):
            if self.transition[i] is not None:
                levels.append(self.transition[i](x))
            else:
                levels.append(x)
        return self.head(self.exchange(levels)[0])


def main():
    torch.manual_seed(2)
    network = Network([4, 6, 8])
    maps = network(torch.randn(2, 3, 16, 16))
    loss = maps.square().mean()
    loss.backward()
    return {"maps": maps.detach(), "loss": loss.detach(), **{n: p.grad for n, p in network.named_parameters()}}


if __name__ == "__main__":
    print(main()["loss"])
