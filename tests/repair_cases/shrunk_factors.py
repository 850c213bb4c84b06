"""A sparse mixing matrix by proximal steps: what shrinks its entries is a function of its own."""

import torch
from torch import nn


class Mixing(nn.Module):
    def __init__(self, sources, sensors):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(sources, sensors) / 2)
        self.offset = nn.Parameter(torch.zeros(sensors))

    def forward(self, signals):
        return signals @ self.weight + self.offset


def objective(mixing, signals, recorded):
    return (mixing(signals) - recorded).square().mean()


def shrunk(values, by):
    return torch.where(values.abs() > by, values - by * values.sign(), torch.zeros_like(values))


class ProximalStep:
    def __init__(self, mixing, rate, penalty):
        self.mixing, self.rate, self.penalty = mixing, rate, penalty
        self.plain = torch.optim.SGD([mixing.offset], lr=rate)

    def take(self):
        self.plain.step()
        weight = self.mixing.weight
        weight.copy_(shrunk(weight - self.rate * weight.grad, self.rate * self.penalty))


def main():
    torch.manual_seed(61)
    mixing = Mixing(4, 6)
    signals, recorded = torch.randn(20, 4), torch.randn(20, 6)
    step = ProximalStep(mixing, rate=0.3, penalty=0.4)
    losses = []
    for _ in range(3):
        loss = objective(mixing, signals, recorded)
        mixing.zero_grad()
        loss.backward()
        step.take()
        losses.append(loss.item())
    return {"losses": losses, **{name: one.detach() for name, one in mixing.named_parameters()}}


if __name__ == "__main__":
    print(main()["losses"])
