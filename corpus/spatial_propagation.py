"""A linear spatial propagation layer: a scan over columns with learned affinities.

Every column is computed from the one on its left and stored back into the same feature map. The product keeps a view of
the map, the next store bumps the map's version, and backward raises.
"""

import torch
from torch import nn


class PropagateRight(nn.Module):
    """h[w] = (1 - g[w]) * x[w] + g[w] * h[w - 1] along the last dimension of (N, C, H, W)."""

    def __init__(self, channels):
        super().__init__()
        self.guide = nn.Conv2d(channels, channels, 3, padding=1)
        self.feature = nn.Conv2d(channels, channels, 1)

    def forward(self, image):
        gate = torch.sigmoid(self.guide(image))
        h = self.feature(image)
        for w in range(1, h.shape[-1]):
            g = gate[..., w]
            h[..., w] = (1 - g) * h[..., w] + g * h[..., w - 1]
        return h


def total_variation(x):
    """Mean absolute difference of neighbours in both directions."""
    across = (x[..., 1:] - x[..., :-1]).abs()
    down = (x[..., 1:, :] - x[..., :-1, :]).abs()
    return across.mean() + down.mean()


def checker(size):
    """A (1, 1, size, size) board of zeros and ones."""
    board = torch.zeros(1, 1, size, size)
    board[..., ::2, 1::2] = 1
    board[..., 1::2, ::2] = 1
    return board


def main():
    torch.manual_seed(22)
    layer = PropagateRight(2)
    image = torch.randn(1, 2, 5, 6)
    image[:, :1] += checker(6)[..., :5, :]
    out = layer(image)
    loss = out.pow(2).mean()
    loss += 0.1 * total_variation(out)
    loss.backward()
    return {"out": out.detach(), "loss": loss.detach(), **{n: p.grad for n, p in layer.named_parameters()}}


if __name__ == "__main__":
    print(main()["out"].shape)
