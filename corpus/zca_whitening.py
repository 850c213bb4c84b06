"""A whitening layer that decorrelates features with the inverse square root of their covariance.

The eigenvectors are kept by `eigh` and by the matrix product; scaling them in place by the inverse roots overwrites
them, and backward raises. Centring happens in place on a fresh product and is harmless.
"""

import torch
from torch import nn


class Whitening(nn.Module):
    """(N, D) -> (N, D) with covariance close to the identity; N > D."""

    def __init__(self, dim, eps=1e-3, momentum=0.1):
        super().__init__()
        self.eps = eps
        self.momentum = momentum
        self.register_buffer("running_mean", torch.zeros(dim))
        self.register_buffer("identity", torch.eye(dim))

    def forward(self, features):
        x = features * 1.0
        mean = x.mean(dim=0)
        with torch.no_grad():
            self.running_mean *= 1 - self.momentum
            self.running_mean += self.momentum * mean
        x -= mean

        cov = x.t() @ x
        cov /= len(x) - 1
        cov += self.eps * self.identity
        values, vectors = torch.linalg.eigh(cov)
        spectrum = values.log().sum()
        rotated = x @ vectors
        vectors *= values.rsqrt()
        return rotated @ vectors.t(), spectrum


def main():
    torch.manual_seed(43)
    net = nn.Linear(4, 3)
    whiten = Whitening(3)
    x = torch.randn(12, 4, dtype=torch.float32)
    x[:, 1] += 2 * x[:, 0]
    white, spectrum = whiten(net(x))
    rotated = white @ torch.tensor([[1.0], [2.0], [-1.0]])
    loss = rotated.tanh().mean() + 0.1 * spectrum
    loss.backward()
    return {
        "loss": loss.detach(),
        "white.abs": white.detach().abs(),
        "running_mean": whiten.running_mean,
        "weight.grad": net.weight.grad,
        "bias.grad": net.bias.grad,
    }


if __name__ == "__main__":
    print(main()["loss"])
