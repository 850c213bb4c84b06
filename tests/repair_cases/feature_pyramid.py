"""Top-down feature pyramid: levels live in a dictionary, and each gets the level above added onto it."""

import torch
import torch.nn.functional as F
from torch import nn


class Pyramid(nn.Module):
    def __init__(self, channels, width):
        super().__init__()
        self.names = list(channels)
        self.lateral = nn.ModuleDict({name: nn.Conv2d(c, width, 1) for name, c in channels.items()})
        self.smooth = nn.ModuleDict({name: nn.Conv2d(width, width, 3, padding=1) for name in channels})

    def forward(self, inputs):
        levels = {name: F.relu(self.lateral[name](inputs[name])) for name in self.names}
        for low, high in zip(self.names[-2::-1], self.names[:0:-1]):
            levels[low] += F.interpolate(levels[high], scale_factor=2.0, mode="nearest")
        return {name: self.smooth[name](levels[name]) for name in self.names}


class Head(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.score = nn.Conv2d(width, 1, 1)

    def forward(self, levels):
        return torch.cat([self.score(each).flatten(1) for each in levels.values()], dim=1)


def main():
    torch.manual_seed(8)
    pyramid, head = Pyramid({"c3": 2, "c4": 3, "c5": 4}, 4), Head(4)
    parameters = [*pyramid.parameters(), *head.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    inputs = {"c3": torch.randn(1, 2, 8, 8), "c4": torch.randn(1, 3, 4, 4), "c5": torch.randn(1, 4, 2, 2)}
    losses = []
    for _ in range(2):
        scores = head(pyramid(inputs))
        loss = F.binary_cross_entropy_with_logits(scores, torch.ones_like(scores))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "scores": scores, "lateral": pyramid.lateral["c3"].weight.grad}


if __name__ == "__main__":
    print(main()["losses"])
