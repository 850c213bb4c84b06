"""Regression on gated columns; a helper decays weights past autograd, between a forward and its backward."""

import torch
from torch import nn


class Gated(nn.Module):
    def __init__(self, columns):
        super().__init__()
        self.gate = nn.Parameter(torch.ones(columns))
        self.body = nn.Linear(columns, 5)
        self.head = nn.Linear(5, 1)

    def forward(self, x):
        return self.head(torch.tanh(self.body(x * self.gate))).squeeze(1)


def shrink(net, rate):
    for name, p in net.named_parameters():
        if "weight" in name:
            p.data.mul_(1 - rate)


def size(net):
    return net.body.weight.norm(dim=0).sum()


def main():
    torch.manual_seed(77)
    net = Gated(4)
    opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.5)
    x = torch.randn(12, 4)
    y = x[:, 0] - 2 * x[:, 1]
    losses = []
    for _ in range(3):
        out = net(x)
        loss = (out - y).square().mean() + 1e-2 * size(net)
        opt.zero_grad()
        shrink(net, 0.05)
        loss.backward()
        opt.step()
        losses.append(loss.item())
    grads = {name: p.grad for name, p in net.named_parameters()}
    return {"losses": losses, "grads": grads, "state": net.state_dict()}


if __name__ == "__main__":
    print(main()["losses"])
