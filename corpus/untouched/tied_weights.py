"""Weights shared, copied and frozen: all of it before training, without gradient."""

import torch
from torch import nn


class Autoencoder(nn.Module):
    """(N, D) -> (N, D); the decoder uses the encoder's weight."""

    def __init__(self, size, code):
        super().__init__()
        self.encode = nn.Linear(size, code)
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, x):
        return torch.tanh(self.encode(x)) @ self.encode.weight + self.bias


def warm_start(target, source):
    """Copy what fits from one state dict into another."""
    state = target.state_dict()
    copied = 0
    for name, value in source.state_dict().items():
        if name in state and state[name].shape == value.shape:
            state[name].copy_(value)
            copied += 1
    target.load_state_dict(state)
    return copied


def main():
    torch.manual_seed(65)
    first, second = Autoencoder(4, 2), Autoencoder(4, 2)
    copied = warm_start(second, first)
    second.bias.requires_grad_(False)
    with torch.no_grad():
        second.bias += 0.1
    x = torch.randn(6, 4)
    loss = (second(x) - x).square().mean()
    loss.backward()
    return {"copied": copied, "loss": loss.detach(), "grad": second.encode.weight.grad, "frozen": second.bias.grad is None}


if __name__ == "__main__":
    print(main()["copied"])
