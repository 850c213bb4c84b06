"""Building networks from lists: `+=` extends a list, subscript stores fill its slots."""

import torch
from torch import nn


def make_layers(config, batch_norm=False):
    """VGG-style feature extractor from a list of widths and "M" for pooling."""
    layers = []
    channels = 1
    for width in config:
        if width == "M":
            layers += [nn.MaxPool2d(2)]
            continue
        layers += [nn.Conv2d(channels, width, 3, padding=1)]
        if batch_norm:
            layers += [nn.BatchNorm2d(width)]
        layers += [nn.ReLU()]
        channels = width
    return nn.Sequential(*layers)


class MultiScale(nn.Module):
    """Runs one branch per resolution; inputs and outputs are lists of tensors."""

    def __init__(self, branches):
        super().__init__()
        self.branches = nn.ModuleList(nn.Conv2d(1, 2, 3, padding=1) for _ in range(branches))

    def forward(self, inputs: list):
        outputs = [None] * len(inputs)
        for i, branch in enumerate(self.branches):
            outputs[i] = branch(inputs[i])
        for i in range(1, len(outputs)):
            outputs[i] = outputs[i] + outputs[i - 1]
        names = ["coarse"]
        names *= len(outputs)
        return outputs, names


def main():
    torch.manual_seed(1)
    features = make_layers([2, "M", 3], batch_norm=True)
    image = torch.randn(2, 1, 8, 8)
    outputs, names = MultiScale(2)([image, image.flip(3)])
    loss = features(image).mean() + sum(o.mean() for o in outputs)
    loss.backward()
    return {"loss": loss.detach(), "names": names}


if __name__ == "__main__":
    print(main())
