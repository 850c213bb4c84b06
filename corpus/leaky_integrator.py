"""A layer of leaky integrate-and-fire neurons with a surrogate spike.

The membrane potential lives in an attribute. The surrogate squares the potential, which keeps it; the soft reset
subtracts the spikes from it in place, and backward raises.
"""

import torch
from torch import nn


class LeakyLayer(nn.Module):
    """Currents (N, I) -> spikes (N, O) in (0, 1); keeps its potential between calls until `reset`."""

    def __init__(self, inputs, outputs, threshold=1.0):
        super().__init__()
        self.synapse = nn.Linear(inputs, outputs)
        self.leak = nn.Parameter(torch.full((outputs,), 2.0))
        self.threshold = threshold
        self.potential = None
        self.spike_count = 0.0

    def reset(self, batch):
        self.potential = torch.zeros(batch, self.synapse.out_features)

    def forward(self, x):
        self.potential = self.potential * torch.sigmoid(self.leak)
        self.potential += self.synapse(x)
        over = self.potential - self.threshold
        spikes = torch.sigmoid(4 * over) * (1 + 0.1 * self.potential**2)
        self.potential -= spikes * self.threshold
        self.spike_count += spikes.detach().sum().item()
        return spikes


def poisson_input(rates, steps, generator):
    """Binary spike trains (steps, *rates.shape)."""
    trains = torch.rand(steps, *rates.shape, generator=generator)
    trains -= rates
    return (trains < 0).float()


def main():
    torch.manual_seed(33)
    generator = torch.Generator().manual_seed(33)
    layer = LeakyLayer(4, 3)
    rates = torch.rand(2, 4, generator=generator)
    layer.reset(batch=2)
    rate = torch.zeros(2, 3)
    for current in poisson_input(rates, 5, generator):
        rate = rate + layer(current)
    loss = (rate / 5 - 0.3).square().sum()
    loss.backward()
    return {
        "rate": rate.detach(),
        "potential": layer.potential.detach(),
        "leak.grad": layer.leak.grad,
        "synapse.grad": layer.synapse.weight.grad,
        "spikes": layer.spike_count,
    }


if __name__ == "__main__":
    print(main()["rate"])
