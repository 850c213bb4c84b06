"""A detector whose layers functions hand to its class, as lists that the forward walks by number."""

import torch
import torch.nn.functional as F
from torch import nn


def backbone(widths, inward):
    layers = []
    for width in widths:
        if width == "M":
            layers += [nn.MaxPool2d(2, 2)]
        else:
            layers += [nn.Conv2d(inward, width, 3, padding=1), nn.ReLU(inplace=True)]
            inward = width
    layers += [nn.MaxPool2d(3, 1, 1), nn.Conv2d(inward, 16, 3, padding=2, dilation=2), nn.ReLU(inplace=True)]
    return layers


def extras(widths, inward):
    layers = []
    for width in widths:
        layers += [nn.Conv2d(inward, width, 1), nn.Conv2d(width, 2 * width, 3, 2, 1)]
        inward = 2 * width
    return layers


def with_heads(base, more, classes):
    places = []
    scores = []
    for k in (3, -2):
        places += [nn.Conv2d(base[k].out_channels, 4, 3, padding=1)]
        scores += [nn.Conv2d(base[k].out_channels, classes, 3, padding=1)]
    for layer in more[1::2]:
        places += [nn.Conv2d(layer.out_channels, 4, 3, padding=1)]
        scores += [nn.Conv2d(layer.out_channels, classes, 3, padding=1)]
    return base, more, (places, scores)


class UnitLength(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.full((width,), 4.0))

    def forward(self, x):
        length = x.pow(2).sum(dim=1, keepdim=True).sqrt() + 1e-6
        return self.weight.view(1, -1, 1, 1) * torch.div(x, length)


class Detector(nn.Module):
    def __init__(self, base, more, heads, width):
        super().__init__()
        self.base = nn.ModuleList(base)
        self.unit = UnitLength(width)
        self.more = nn.ModuleList(more)
        self.places = nn.ModuleList(heads[0])
        self.scores = nn.ModuleList(heads[1])

    def forward(self, x):
        sources = []
        for k in range(4):
            x = self.base[k](x)
        sources.append(self.unit(x))
        for k in range(4, len(self.base)):
            x = self.base[k](x)
        sources.append(x)
        for k, layer in enumerate(self.more):
            x = F.relu(layer(x), inplace=True)
            if k % 2 == 1:
                sources.append(x)
        places = [head(s).flatten(1) for head, s in zip(self.places, sources, strict=True)]
        scores = [head(s).flatten(1) for head, s in zip(self.scores, sources, strict=True)]
        return torch.cat(places, 1), torch.cat(scores, 1)


def main():
    torch.manual_seed(0)
    net = Detector(*with_heads(backbone([8, "M", 12], 3), extras([4], 16), 3), 12)
    x = torch.randn(2, 3, 16, 16, requires_grad=True)
    places, scores = net(x)
    labels = torch.randint(3, (2, scores.size(1) // 3))
    loss = places.pow(2).mean() + F.cross_entropy(scores.view(2, 3, -1), labels)
    loss.backward()
    return {"places": places.detach(), "loss": loss.detach(), "x": x.grad, **{n: p.grad for n, p in net.named_parameters()}}


if __name__ == "__main__":
    print(main()["loss"])
