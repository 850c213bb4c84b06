"""Random inputs and targets that are shaped in place before the model is called; none of them requires grad."""

import torch
from torch import nn


def main():
    torch.manual_seed(25)
    signal = torch.linspace(0, 1, 8).repeat(4, 1)
    noise = torch.randn(4, 8)
    noise *= 0.1
    noise[:, 0] = 0
    noise.clamp_(-0.2, 0.2)
    keep = torch.empty(4, 8).bernoulli_(0.8)
    keep /= 0.8
    inputs = signal + noise
    inputs *= keep
    inputs[:, -1].fill_(1.0)
    weights = torch.ones(8)
    weights[4:] += 1.0
    weights /= weights.sum()

    model = nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 8))
    out = model(inputs)
    loss = ((out - signal).square() * weights).sum(dim=1).mean()
    loss.backward()
    return {"out": out.detach(), "loss": loss.detach(), **{name: p.grad for name, p in model.named_parameters()}}


if __name__ == "__main__":
    print(main()["loss"])
