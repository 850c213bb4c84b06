"""Adaptive instance normalisation between a content and a style encoding.

`std` keeps its input; the centred content is divided by it in place, which overwrites that input: backward raises. Both
statistics come from one line each, and two writes share a line.
"""

import torch
from torch import nn


def statistics(x, eps=1e-5):
    """Mean and standard deviation over the pixels of (N, C, H, W), each (N, C, 1, 1)."""
    return x.mean(dim=(2, 3), keepdim=True), x.std(dim=(2, 3), keepdim=True) + eps


def adain(content, style):
    """Content features with the channel statistics of the style."""
    style_mean, style_std = statistics(style)
    normal = content - content.mean(dim=(2, 3), keepdim=True)
    _, scale = statistics(normal)
    normal /= scale; normal *= style_std  # noqa: E702
    normal += style_mean
    return normal


class Stylise(nn.Module):
    """Encoder, AdaIN, decoder on small images (N, 3, H, W)."""

    def __init__(self, width=4):
        super().__init__()
        self.encoder = nn.Conv2d(3, width, 3, padding=1)
        self.decoder = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, content, style, strength):
        encoded = torch.relu(self.encoder(content))
        target = adain(encoded, torch.relu(self.encoder(style)))
        mixed = strength * target
        mixed += (1 - strength) * encoded
        return self.decoder(mixed), target


def main():
    torch.manual_seed(45)
    model = Stylise()
    content, style = torch.rand(2, 3, 6, 6), torch.rand(2, 3, 6, 6)
    style -= 0.5; style *= 2.0  # noqa: E702
    image, target = model(content, style, strength=0.8)
    loss = image.square().mean() + target.abs().mean()
    loss.backward()
    return {"image": image.detach(), **{name: p.grad for name, p in model.named_parameters()}}


if __name__ == "__main__":
    print(main()["image"].mean())
