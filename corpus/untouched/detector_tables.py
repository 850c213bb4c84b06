"""A detector whose functions hand lists of layers, sizes and settings to its class; nothing is written in place."""

import torch
from torch import nn


def backbone(widths, inward):
    layers, sizes = [], []
    for width in widths:
        layers += [nn.Conv2d(inward, width, 3, padding=1), nn.ReLU()]
        sizes += [width]
        inward = width
    return layers, sizes


def with_heads(base, sizes, classes):
    heads = []
    for k, size in enumerate(sizes):
        heads += [nn.Conv2d(base[2 * k].out_channels, classes, 1)]
        sizes[k] += classes - classes
    return base, (heads, sizes)


class Detector(nn.Module):
    """Takes a source behind each activation, and counts how often each layer ran."""

    def __init__(self, base, heads):
        super().__init__()
        self.base = nn.ModuleList(base)
        self.heads = nn.ModuleList(heads[0])
        self.runs = [0] * len(base)
        self.widths = {str(k): size for k, size in enumerate(heads[1])}

    def forward(self, x):
        sources = []
        for k in range(len(self.base)):
            x = self.base[k](x)
            self.runs[k] += 1
            if k % 2 == 1:
                sources.append(x)
        self.widths["0"] *= 1
        return torch.cat([head(s).flatten(1) for head, s in zip(self.heads, sources, strict=True)], 1)


def main():
    torch.manual_seed(0)
    net = Detector(*with_heads(*backbone([4, 6], 3), 3))
    scores = net(torch.randn(2, 3, 8, 8))
    loss = scores.square().mean()
    loss.backward()
    return {
        "scores": scores.detach(),
        "runs": net.runs,
        "widths": net.widths,
        **{name: p.grad for name, p in net.named_parameters()},
    }


if __name__ == "__main__":
    print(main()["runs"])
