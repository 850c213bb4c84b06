"""Batch renormalisation by hand: features are normalised by averages, which are made anew from the batch."""

import torch
from torch import nn


class BatchRenorm(nn.Module):
    def __init__(self, num_features, momentum=0.1):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_std", torch.ones(num_features))
        self.momentum = momentum

    def forward(self, x):
        mean, std = x.mean(0), x.std(0, unbiased=False) + 1e-5
        r = (std / self.running_std).clamp(1 / 3.0, 3.0)
        d = ((mean - self.running_mean) / self.running_std).clamp(-5.0, 5.0)
        y = (x - mean) / std * r + d
        self.running_mean = self.running_mean + self.momentum * (mean - self.running_mean)
        self.running_std = self.momentum * std + (1 - self.momentum) * self.running_std.detach()
        return self.weight * y + self.bias


def main():
    torch.manual_seed(77)
    net = nn.Sequential(nn.Linear(4, 6), BatchRenorm(6), nn.ReLU(inplace=True), nn.Linear(6, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    losses = []
    for x in torch.randn(3, 8, 4):
        loss = net(x).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "state": {name: each.detach() for name, each in net.state_dict().items()}}


if __name__ == "__main__":
    print(main()["losses"])
