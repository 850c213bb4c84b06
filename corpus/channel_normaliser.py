"""Features normalised channel by channel in a loop over the tensor itself.

Going over a tensor gives the views of one call, which torch refuses to write where they require grad; `channel = channel / s`
would raise nothing and normalise nothing.
"""

import torch
from torch import nn


class ChannelNormaliser(nn.Module):
    """(C, H, W) -> (C, H, W): filtered, and divided by a learned temperature."""

    def __init__(self, channels):
        super().__init__()
        self.filter = nn.Conv2d(channels, channels, 3, padding=1)
        self.temperature = nn.Parameter(torch.tensor(2.0))

    def forward(self, image):
        h = torch.sigmoid(self.filter(image.unsqueeze(0)).squeeze(0))
        sharpness = h.square().mean()
        for channel in h:
            channel.div_(self.temperature)
        return h, sharpness


def spread(counts):
    """Plain numbers, changed in a loop over a list."""
    total = 0
    for count in counts:
        count += 1
        total += count
    return total


def main():
    torch.manual_seed(67)
    layer = ChannelNormaliser(2)
    out, sharpness = layer(torch.randn(2, 4, 4))
    loss = out.sum() * spread([1, 2]) + sharpness
    loss.backward()
    return {"out": out.detach(), "loss": loss.detach(), **{n: p.grad for n, p in layer.named_parameters()}}


if __name__ == "__main__":
    print(main()["loss"])
