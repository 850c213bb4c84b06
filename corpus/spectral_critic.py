"""Spectral normalisation by hand: power iteration under `no_grad`, division by the estimated norm.

The iteration writes its vectors with `out=`, which is right there. The effective weight is divided in place after its
square has been used for a penalty, which has kept it: backward raises.
"""

import torch
import torch.nn.functional as F
from torch import nn


class SpectralLinear(nn.Module):
    """Linear layer whose weight is divided by an estimate of its largest singular value."""

    def __init__(self, inputs, outputs, eps=1e-12):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.gain = nn.Parameter(torch.ones(outputs, 1))
        self.eps = eps
        self.register_buffer("u", F.normalize(torch.randn(outputs), dim=0))
        self.register_buffer("v", F.normalize(torch.randn(inputs), dim=0))
        self.penalty = None

    def iterate(self, rounds=1):
        with torch.no_grad():
            for _ in range(rounds):
                torch.mv(self.weight.t(), self.u, out=self.v)
                self.v /= self.v.norm() + self.eps
                torch.mv(self.weight, self.v, out=self.u)
                self.u /= self.u.norm() + self.eps
        return self.u.clone(), self.v.clone()

    def forward(self, x):
        u, v = self.iterate()
        sigma = torch.dot(u, torch.mv(self.weight, v))
        weight = self.weight * self.gain
        self.penalty = weight.square().mean()
        weight /= sigma
        return F.linear(x, weight)


class Critic(nn.Module):
    """Two spectrally normalised layers, (N, D) -> (N, 1)."""

    def __init__(self, dim, width):
        super().__init__()
        self.first = SpectralLinear(dim, width)
        self.second = SpectralLinear(width, 1)

    def forward(self, x):
        return self.second(F.leaky_relu(self.first(x), 0.2))


def main():
    torch.manual_seed(56)
    critic = Critic(4, 6)
    real, fake = torch.randn(5, 4), torch.randn(5, 4)
    fake.mul_(0.5).sub_(1.0)
    loss = F.relu(1 - critic(real)).mean() + F.relu(1 + critic(fake)).mean()
    loss = loss + 0.1 * (critic.first.penalty + critic.second.penalty)
    loss.backward()
    return {"loss": loss.detach(), "u": critic.first.u, **{n: p.grad for n, p in critic.named_parameters()}}


if __name__ == "__main__":
    print(main()["loss"])
