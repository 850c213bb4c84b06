"""A layer of leaky integrate-and-fire neurons that keeps its membrane potential as an attribute during one sequence."""

import torch
from torch import nn


class Neurons(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.synapse = nn.Linear(inputs, outputs)
        self.decay = nn.Parameter(torch.full((outputs,), 0.9))
        self.membrane = None

    def reset(self, batch):
        self.membrane = torch.zeros(batch, self.decay.numel())

    def forward(self, x):
        self.membrane = self.membrane * self.decay
        spikes = torch.sigmoid(4.0 * (self.membrane - 0.5))
        self.membrane += self.synapse(x)
        rate = self.membrane.square()
        self.membrane -= 0.5 * spikes
        return spikes, rate.mean()


def main():
    torch.manual_seed(9)
    layer = Neurons(3, 4)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.05)
    stimulus, wanted = torch.randn(5, 2, 3), torch.rand(2, 4)
    curve = []
    for _ in range(2):
        layer.reset(2)
        counts, energy = torch.zeros(2, 4), 0.0
        for moment in stimulus:
            spikes, rate = layer(moment)
            counts += spikes
            energy = energy + rate
        loss = (counts / len(stimulus) - wanted).abs().mean() + 0.01 * energy
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        curve.append(loss.item())
    return {"curve": curve, "counts": counts, "decay": layer.decay, "grad": layer.decay.grad}


if __name__ == "__main__":
    print(main()["curve"])
