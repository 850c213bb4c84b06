"""Running statistics of halves, kept through views of one buffer, under `no_grad`: state, and no autograd operation."""

import torch
from torch import nn


class HalvesNorm(nn.Module):
    """(N, D) -> (N, D): each half is scaled by its own running deviation."""

    def __init__(self, dim, momentum=0.2):
        super().__init__()
        self.momentum = momentum
        self.lift = nn.Linear(dim, dim)
        self.register_buffer("running_scale", torch.ones(dim))

    def forward(self, x):
        h = self.lift(x)
        half = h.shape[1] // 2
        with torch.no_grad():
            lower, upper = self.running_scale[:half], self.running_scale[half:]
            lower.mul_(1 - self.momentum).add_(self.momentum * h[:, :half].std(0))
            upper.mul_(1 - self.momentum).add_(self.momentum * h[:, half:].std(0))
        return h / self.running_scale.clone()


def main():
    torch.manual_seed(71)
    norm = HalvesNorm(4)
    outs = [norm(torch.randn(5, 4)) for _ in range(2)]
    torch.stack(outs).sum().backward()
    return {"out": outs[-1].detach(), "scale": norm.running_scale.clone(), "grad": norm.lift.weight.grad}


if __name__ == "__main__":
    print(main()["scale"])
