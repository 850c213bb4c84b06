"""A low-rank adapter that runs in bfloat16 beside a float32 backbone.

The sigmoid output is bfloat16 and is kept; adding the float32 offset onto it in place overwrites it, and backward
raises. The in-place sum keeps bfloat16, where `gate + self.offset` would be float32.
"""

import torch
from torch import nn


class Adapter(nn.Module):
    """(N, D) float32 -> (N, D) float32, with a bfloat16 bottleneck."""

    def __init__(self, dim, rank):
        super().__init__()
        self.down = nn.Linear(dim, rank, bias=False, dtype=torch.bfloat16)
        self.up = nn.Linear(rank, dim, bias=False, dtype=torch.bfloat16)
        self.register_buffer("offset", torch.linspace(-0.1, 0.1, rank))

    def forward(self, x):
        low = self.down(x.to(torch.bfloat16))
        gate = torch.sigmoid(low)
        gate += self.offset
        update = self.up(low * gate)
        return x + update.float()


class Backbone(nn.Module):
    """Frozen linear layer with an adapter on top."""

    def __init__(self, dim, rank):
        super().__init__()
        self.frozen = nn.Linear(dim, dim)
        self.frozen.requires_grad_(False)
        self.adapter = Adapter(dim, rank)

    def forward(self, x):
        return self.adapter(torch.tanh(self.frozen(x)))


def parameter_bytes(model):
    """Size of trainable and of frozen parameters."""
    sizes = {"trainable": 0, "frozen": 0}
    for p in model.parameters():
        sizes["trainable" if p.requires_grad else "frozen"] += p.numel() * p.element_size()
    return sizes


def main():
    torch.manual_seed(52)
    model = Backbone(6, 3)
    x = torch.randn(4, 6)
    out = model(x)
    loss = out.square().mean()
    loss.backward()
    grads = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
    return {"out": out.detach(), **parameter_bytes(model), **grads}


if __name__ == "__main__":
    for name, value in main().items():
        print(name, getattr(value, "dtype", value))
