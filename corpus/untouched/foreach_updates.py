"""`_foreach_` calls that update parameters and averages without gradients, and those that return new tensors."""

import torch
from torch import nn


def step(parameters, lr):
    with torch.no_grad():
        torch._foreach_add_(parameters, [p.grad for p in parameters], alpha=-lr)
    for p in parameters:
        p.grad = None


@torch.no_grad()
def averaged(averages, parameters, decay):
    torch._foreach_lerp_(averages, parameters, 1 - decay)
    return averages


def scaled(tensors):
    return torch._foreach_mul(tensors, 2.0)


def main():
    torch.manual_seed(14)
    linear = nn.Linear(2, 2)
    parameters = list(linear.parameters())
    averages = [p.detach().clone() for p in parameters]
    mean, gate = scaled([torch.tanh(linear(torch.ones(1, 2))), torch.sigmoid(linear(torch.ones(1, 2)))])
    loss = (mean * gate).sum()
    loss.backward()
    step(parameters, 0.1)
    averaged(averages, parameters, 0.9)
    return {"loss": loss.detach(), "average": averages[0], "weight": linear.weight.detach()}


if __name__ == "__main__":
    print(main()["loss"])
