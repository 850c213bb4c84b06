"""A "memory saving" helper that switches every activation of a network to in-place mode.

It finds modules with an `inplace` attribute and sets it. The dropout behind the tanh is among them: `tanh` keeps its
output, the dropout now overwrites it, and backward raises. With the flags left alone the network trains.
"""

import torch
from torch import nn


class Regressor(nn.Module):
    """(N, D) -> (N,)."""

    def __init__(self, dim, width):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(dim, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.Tanh(),
        )
        self.drop = nn.Dropout(0.25)
        self.head = nn.Linear(width, 1)

    def forward(self, x):
        h = self.body(x)
        h = self.drop(h)
        return self.head(h).squeeze(1)


def save_memory(model):
    """Let activations and dropout overwrite their inputs."""
    changed = 0
    for module in model.modules():
        if hasattr(module, "inplace"):
            module.inplace = True
            changed += 1
    return changed


def main():
    torch.manual_seed(35)
    model = Regressor(5, 8)
    changed = save_memory(model)
    x = torch.randn(6, 5)
    y = x.sum(dim=1)
    y += 0.1 * torch.randn(6)
    prediction = model(x)
    loss = (prediction - y).square().mean()
    loss.backward()
    return {
        "prediction": prediction.detach(),
        "loss": loss.detach(),
        "modules": changed,
        **{name: p.grad for name, p in model.named_parameters()},
    }


if __name__ == "__main__":
    result = main()
    print(result["modules"], "modules in place, loss", result["loss"].item())
