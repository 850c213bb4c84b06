"""Stores into a fresh clone: the original stays as it was saved, so this is finished code."""

import torch
from torch import nn


def reflect_border(x):
    """(N, C, L) with both ends replaced by their neighbours."""
    x = x.clone()
    x[..., 0] = x[..., 1]
    x = x.clone()
    x[..., -1] = x[..., -2]
    return x


class Smooth(nn.Module):
    """Sigmoid features whose border is reflected."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv1d(1, channels, 3, padding=1)

    def forward(self, signal):
        y = torch.sigmoid(self.conv(signal))
        y = reflect_border(y)
        gate = torch.where(y > 0.5, y, 0.5 * y)
        return y * gate


def main():
    torch.manual_seed(15)
    model = Smooth(2)
    signal = torch.randn(2, 1, 6, requires_grad=True)
    out = model(signal)
    out.square().sum().backward()
    return {"out": out.detach(), "signal.grad": signal.grad, "weight.grad": model.conv.weight.grad}


if __name__ == "__main__":
    print(main()["out"])
