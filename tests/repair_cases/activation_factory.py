"""A configurable block; activations come out of a factory that always asks for in-place ones."""

import torch
from torch import nn

ACTIVATIONS = {"relu": nn.ReLU, "silu": nn.SiLU, "leaky": nn.LeakyReLU, "none": nn.Identity}


def activation(name, inplace=True):
    return ACTIVATIONS[name]() if name == "none" else ACTIVATIONS[name](inplace=inplace)


class Gated(nn.Module):
    def __init__(self, channels, act="relu"):
        super().__init__()
        self.enter = nn.Conv1d(channels, channels, 1)
        self.act = activation(act)
        self.mask = nn.Conv1d(channels, channels, 1)
        self.leave = nn.Conv1d(channels, channels, 1)
        self.final = activation("silu")

    def forward(self, x):
        h = self.act(self.enter(x))
        m = torch.sigmoid(self.mask(h))
        h = h + self.leave(h * m)
        scale = h.square().mean(dim=2, keepdim=True)
        return self.final(h) / (1 + scale)


def main():
    torch.manual_seed(38)
    model = nn.Sequential(Gated(3), Gated(3, act="leaky"), nn.Conv1d(3, 1, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    x, y = torch.randn(2, 3, 5), torch.randn(2, 1, 5)
    losses = []
    for _ in range(2):
        loss = (model(x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "grads": [p.grad for p in model.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
