"""Detection head whose biases start from the expected share of objects, as single-stage detectors do it."""

import math

import torch
from torch import nn


class Detect(nn.Module):
    def __init__(self, channels, classes, anchors):
        super().__init__()
        self.outputs = 5 + classes
        self.anchors = anchors
        self.heads = nn.ModuleList(nn.Conv2d(c, self.outputs * anchors, 1) for c in channels)

    def forward(self, features):
        return [head(x).flatten(1) for head, x in zip(self.heads, features)]


def initialise_biases(detect, strides):
    for head, stride in zip(detect.heads, strides):
        b = head.bias.view(detect.anchors, -1)
        b[:, 4] += math.log(8 / (640 / stride) ** 2)
        b[:, 5:] += math.log(0.6 / (detect.outputs - 5 - 0.01))
        head.bias = nn.Parameter(b.view(-1), requires_grad=True)


def objective(detect, features):
    out = torch.cat(detect(features), dim=1)
    loss = nn.functional.softplus(out).mean()
    loss *= 2
    return loss


def main():
    torch.manual_seed(50)
    detect = Detect((3, 4), classes=2, anchors=3)
    initialise_biases(detect, (8, 16))
    optimizer = torch.optim.SGD(detect.parameters(), lr=0.1)
    features = [torch.randn(1, 3, 4, 4), torch.randn(1, 4, 2, 2)]
    losses = []
    for _ in range(2):
        loss = objective(detect, features)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "bias": [head.bias for head in detect.heads], "leaf": detect.heads[0].bias.is_leaf}


if __name__ == "__main__":
    print(main()["losses"])
