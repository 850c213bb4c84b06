"""An affine coupling flow (RealNVP style) trained by maximum likelihood.

The layer splits its input into two views of one storage. The network keeps the first half; scaling the second half in
place bumps the version of both, and backward raises although the two halves do not overlap.
"""

import math

import torch
from torch import nn


class Coupling(nn.Module):
    """(N, D) -> transformed (N, D) and log-determinant (N,)."""

    def __init__(self, dim, hidden, flip):
        super().__init__()
        self.half = dim // 2
        self.flip = flip
        self.log_scale = nn.Parameter(torch.zeros(dim))
        self.net = nn.Sequential(nn.Linear(self.half, hidden), nn.Tanh(), nn.Linear(hidden, dim))

    def forward(self, x):
        z = x * self.log_scale.exp()
        if self.flip:
            z = z.flip(1)
        first = z[:, : self.half]
        second = z[:, self.half :]
        s, t = self.net(first).chunk(2, dim=1)
        s = torch.tanh(s)
        second *= torch.exp(s)
        second += t
        return torch.cat([first, second], dim=1), s.sum(1) + self.log_scale.sum()


class Flow(nn.Module):
    """A stack of couplings with a standard normal base."""

    def __init__(self, dim=4, hidden=8, depth=2):
        super().__init__()
        self.layers = nn.ModuleList(Coupling(dim, hidden, bool(i % 2)) for i in range(depth))
        self.constant = 0.5 * dim * math.log(2 * math.pi)

    def log_prob(self, x):
        total = torch.zeros(x.shape[0])
        for layer in self.layers:
            x, logdet = layer(x)
            total = total + logdet
        return total - 0.5 * x.pow(2).sum(1) - self.constant


def main():
    torch.manual_seed(5)
    flow = Flow()
    batch = torch.randn(6, 4)
    batch *= 0.5
    log_prob = flow.log_prob(batch)
    loss = -log_prob.mean()
    loss.backward()
    return {"log_prob": log_prob.detach(), **{f"grad.{n}": p.grad for n, p in flow.named_parameters()}}


if __name__ == "__main__":
    print(main()["log_prob"])
