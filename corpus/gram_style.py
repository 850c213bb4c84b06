"""Style transfer: content and Gram losses on intermediate features of a small fixed network.

The extractor collects the output of every convolution, but the in-place ReLU that follows overwrites what was
collected: the losses see activations, not convolutions. Taking the flag away would change them, so only the author can.
What raises is the total variation term, which divides a `sqrt` in place.
"""

import torch
from torch import nn


class Features(nn.Module):
    """Image (1, 3, H, W) -> list of feature maps."""

    def __init__(self, widths=(4, 6)):
        super().__init__()
        layers, previous = [], 3
        for width in widths:
            layers += [nn.Conv2d(previous, width, 3, padding=1), nn.ReLU(inplace=True), nn.AvgPool2d(2)]
            previous = width
        self.layers = nn.ModuleList(layers)

    def forward(self, image):
        collected = []
        x = image
        for layer in self.layers:
            x = layer(x)
            if isinstance(layer, nn.Conv2d):
                collected.append(x)
        return collected


def gram(features):
    """Channel correlations (C, C) of (1, C, H, W)."""
    _, c, h, w = features.shape
    flat = features.view(c, h * w)
    g = flat @ flat.t()
    g /= c * h * w
    return g


def total_variation(image, eps=1e-4):
    """Isotropic total variation per pixel."""
    dx = image[..., 1:, 1:] - image[..., 1:, :-1]
    dy = image[..., 1:, 1:] - image[..., :-1, 1:]
    magnitude = torch.sqrt(dx**2 + dy**2 + eps)
    magnitude /= magnitude.numel()
    return magnitude.sum()


def main():
    torch.manual_seed(44)
    net = Features().requires_grad_(False)
    content, style = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)
    style[:, 0] *= 0.5
    image = content.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([image], lr=0.05)
    losses = []
    for _ in range(2):
        optimizer.zero_grad()
        ours, theirs, originals = net(image), net(style), net(content)
        loss = (ours[-1] - originals[-1]).square().mean()
        for a, b in zip(ours, theirs, strict=True):
            loss += 10.0 * (gram(a) - gram(b)).square().sum()
        loss += 0.1 * total_variation(image)
        loss.backward()
        losses.append(loss.item())
        optimizer.step()
    return {"losses": losses, "image.grad": image.grad, "image": image.detach()}


if __name__ == "__main__":
    print(main()["losses"])
