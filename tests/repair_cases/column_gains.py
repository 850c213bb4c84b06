"""Equaliser: every frequency band of a spectrogram is scaled by its own learned gain, band by band."""

import torch
from torch import nn


class Equaliser(nn.Module):
    def __init__(self, bands):
        super().__init__()
        self.gains = nn.Parameter(torch.linspace(0.8, 1.2, bands))
        self.smooth = nn.Conv1d(bands, bands, 3, padding=1)

    def forward(self, spectrum):
        x = self.smooth(spectrum)
        for band, gain in enumerate(self.gains):
            x[:, band] = x[:, band] * gain
        return x


def spectral_loss(predicted, wanted):
    difference = predicted - wanted
    difference *= torch.linspace(1.0, 0.5, difference.size(1))[None, :, None]
    return difference.square().mean()


def main():
    torch.manual_seed(31)
    model = Equaliser(4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    spectrum, wanted = torch.rand(2, 4, 6), torch.rand(2, 4, 6)
    wanted[:, 0] = 0.0
    losses = []
    for _ in range(2):
        out = model(spectrum)
        loss = spectral_loss(out, wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "out": out, "gains": model.gains, "grads": [p.grad for p in model.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
