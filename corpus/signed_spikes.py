"""A layer of soft spiking units that silences what is negative and replaces what is too strong.

`torch.tanh` keeps its output. Storing a constant where it is negative overwrites that output, and so does the store of
the squashed values where they exceed the threshold: backward raises. The histogram and the refractory counters are
written in place as well; no gradient goes through them.
"""

import torch
from torch import nn


class Spikes(nn.Module):
    """(N, D) -> rates (N, H) in [0, threshold], and how often each unit was silent."""

    def __init__(self, size, units, threshold=0.6):
        super().__init__()
        self.drive = nn.Linear(size, units)
        self.threshold = threshold
        self.register_buffer("silent", torch.zeros(units))

    def forward(self, x):
        rate = torch.tanh(self.drive(x))
        energy = rate.square().sum(dim=1)
        rate[rate < 0] = 0.0
        with torch.no_grad():
            self.silent += (rate == 0).float().sum(dim=0)

        soft = self.threshold * torch.sigmoid(rate)
        gain = rate * rate
        rate[rate > self.threshold] = soft[rate > self.threshold]
        return rate, gain, energy


def main():
    torch.manual_seed(21)
    layer = Spikes(5, 6)
    x = torch.randn(7, 5, requires_grad=True)
    rate, gain, energy = layer(x)
    refractory = torch.full((7,), 3)
    refractory -= (rate.detach() > 0).sum(dim=1)
    loss = rate.mean() + 0.1 * gain.sum() + 0.01 * energy.mean()
    loss.backward()
    return {
        "rate": rate.detach(),
        "gain": gain.detach(),
        "energy": energy.detach(),
        "silent": layer.silent,
        "refractory": refractory,
        "x.grad": x.grad,
        "drive.weight.grad": layer.drive.weight.grad,
        "drive.bias.grad": layer.drive.bias.grad,
    }


if __name__ == "__main__":
    out = main()
    print(out["rate"].shape, out["silent"])
