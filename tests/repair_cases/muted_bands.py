"""Bands of a spectrogram's mask are muted in half of the channels; the whole mask is applied afterwards."""

import torch
from torch import nn


class Masker(nn.Module):
    def __init__(self, bands, width):
        super().__init__()
        self.lift = nn.Linear(bands, 2 * width)
        self.back = nn.Linear(2 * width, bands)

    def forward(self, frames, muted):
        mask = torch.sigmoid(self.lift(frames))
        low, high = mask.chunk(2, 1)
        high[muted] = 0
        return self.back(mask) * frames, low.mean()


def objective(masker, frames, muted):
    clean, level = masker(frames, muted)
    return (clean - frames.tanh()).square().mean() + 0.1 * level


def main():
    torch.manual_seed(63)
    masker = Masker(5, 4)
    optimizer = torch.optim.SGD(masker.parameters(), lr=0.5)
    losses = []
    for step in range(3):
        frames = torch.randn(8, 5)
        muted = torch.rand(8) < 0.3 * step
        loss = objective(masker, frames, muted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "grads": [each.grad for each in masker.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
