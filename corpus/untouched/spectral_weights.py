"""Spectral normalisation: the vectors of the power iteration are buffers that change under `no_grad`."""

import torch
import torch.nn.functional as F
from torch import nn


class SpectralLinear(nn.Module):
    """(N, D) -> (N, H) by a weight whose largest singular value is about one."""

    def __init__(self, size, out):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out, size))
        self.register_buffer("u", F.normalize(torch.randn(out), dim=0))
        self.register_buffer("v", F.normalize(torch.randn(size), dim=0))
        self.rounds = 0

    def forward(self, x):
        if self.training:
            with torch.no_grad():
                self.v.copy_(F.normalize(self.weight.t() @ self.u, dim=0))
                self.u.copy_(F.normalize(self.weight @ self.v, dim=0))
            self.rounds += 1
        u, v = self.u.clone(), self.v.clone()
        sigma = u @ self.weight @ v
        return F.linear(x, self.weight / sigma)


def main():
    torch.manual_seed(52)
    layer = SpectralLinear(4, 3)
    x = torch.randn(5, 4, requires_grad=True)
    out = layer(x) + layer(-2 * x)
    out.square().sum().backward()
    return {"out": out.detach(), "weight.grad": layer.weight.grad, "x.grad": x.grad, "u": layer.u, "rounds": layer.rounds}


if __name__ == "__main__":
    print(main()["out"].shape)
