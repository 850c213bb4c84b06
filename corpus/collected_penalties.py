"""Activity penalties that hooks and closures add onto one running total.

The closure `collect` writes into a tensor of the enclosing function without rebinding its name; a plain `total =
total + ...` in there would make the name local and fail. That write does no harm. The weighting of a kept `sqrt` in
place does: backward raises. A second closure declares its name and may rebind it.
"""

import torch
from torch import nn


def train_step(model, x, y, weight=0.01):
    """Loss with penalties gathered from every hidden layer; returns the loss and the counts."""
    total = torch.zeros(())
    largest = torch.zeros(())
    calls = 0

    def collect(module, inputs, output):
        nonlocal calls
        calls += 1
        total.add_(output.abs().mean())

    def watch(module, inputs, output):
        nonlocal largest
        magnitude = torch.sqrt(output.square().sum(dim=1) + 1e-6)
        magnitude *= weight
        largest = torch.maximum(largest, magnitude.max())

    handles = [m.register_forward_hook(collect) for m in model if isinstance(m, nn.Tanh)]
    handles += [model[-1].register_forward_hook(watch)]
    prediction = model(x).squeeze(1)
    for handle in handles:
        handle.remove()

    loss = (prediction - y).square().mean()
    loss += weight * total
    loss += largest
    return loss, calls


def main():
    torch.manual_seed(75)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 1))
    x, y = torch.randn(8, 4), torch.randn(8)
    loss, calls = train_step(model, x, y)
    loss.backward()
    return {"loss": loss.detach(), "calls": calls, **{name: p.grad for name, p in model.named_parameters()}}


if __name__ == "__main__":
    print(main()["loss"])
