"""A monocular tracker whose heads leave their maps in a dict, which is then decoded in place.

The centre head ends in a sigmoid and the size head in an exponential: backward needs both results, and the decoding
overwrites parts of them. The offsets are nobody's input: halving them in place does no harm.
"""

import torch
from torch import nn

HEADS = {"centre": 2, "size": 3, "offset": 2}


class Head(nn.Module):
    """Features (N, D, H, W) -> raw maps (N, C, H, W)."""

    def __init__(self, dim, classes):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(dim, dim, 3, padding=1), nn.SiLU(), nn.Conv2d(dim, classes, 1))

    def forward(self, features):
        return self.body(features)


class Tracker(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.heads = nn.ModuleDict({name: Head(dim, classes) for name, classes in HEADS.items()})

    def forward(self, features, stride):
        maps = {
            "centre": torch.sigmoid(self.heads["centre"](features)),
            "size": torch.exp(self.heads["size"](features)),
            "offset": self.heads["offset"](features) * 0.1,
        }
        maps["centre"][:, :, 0] = 0.01
        maps["centre"][..., 0] = 0.01
        maps["size"][:, :2] *= stride
        maps["offset"][:, 0].mul_(0.5)
        return maps


def loss_of(maps, target):
    centre, size, offset = maps["centre"], maps["size"], maps["offset"]
    hit = -(target * centre.log() + (1 - target) * (1 - centre).log()).mean()
    return hit + 0.01 * (size - 8).abs().mean() + offset.square().mean()


def main():
    torch.manual_seed(71)
    tracker = Tracker(4)
    features = torch.randn(2, 4, 5, 5)
    target = (torch.rand(2, 2, 5, 5) > 0.8).float()
    maps = tracker(features, stride=4.0)
    loss = loss_of(maps, target)
    loss.backward()
    values = {name: each.detach() for name, each in maps.items()}
    return {"loss": loss.detach(), **values, **{name: p.grad for name, p in tracker.named_parameters()}}


if __name__ == "__main__":
    print(main()["loss"])
