"""A normalisation layer that keeps running statistics in buffers and updates them without gradient."""

import torch
from torch import nn


class RunningNorm(nn.Module):
    """Batch statistics in training, running statistics in evaluation; (N, D) -> (N, D)."""

    def __init__(self, dim, momentum=0.1, eps=1e-5):
        super().__init__()
        self.momentum = momentum
        self.eps = eps
        self.register_buffer("running_mean", torch.zeros(dim))
        self.register_buffer("running_var", torch.ones(dim))
        self.register_buffer("num_batches", torch.tensor(0))

    def forward(self, x):
        if not self.training:
            return (x - self.running_mean) / (self.running_var + self.eps).sqrt()
        mean = x.mean(dim=0)
        var = x.var(dim=0, unbiased=False)
        with torch.no_grad():
            self.num_batches += 1
            self.running_mean *= 1 - self.momentum
            self.running_mean += self.momentum * mean
            self.running_var.mul_(1 - self.momentum).add_(var, alpha=self.momentum)
        return (x - mean) / (var + self.eps).sqrt()


def main():
    torch.manual_seed(6)
    layer = RunningNorm(3)
    x = torch.randn(6, 3, requires_grad=True)
    y = layer(x)
    (y**3).sum().backward()
    layer.eval()
    with torch.no_grad():
        z = layer(x)
    return {
        "y": y.detach(),
        "z": z,
        "x.grad": x.grad,
        "mean": layer.running_mean,
        "var": layer.running_var,
        "batches": layer.num_batches,
    }


if __name__ == "__main__":
    print(main()["mean"])
