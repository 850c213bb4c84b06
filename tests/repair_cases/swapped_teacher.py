"""Consistency training: the weights are lent to an averaged copy while it labels the unlabelled half."""

import torch
from torch import nn


class Averaged:
    def __init__(self, net, rate=0.75):
        self.rate = rate
        self.mean = [torch.zeros_like(p) for p in net.parameters()]
        self.kept = []

    def track(self, net):
        for mean, p in zip(self.mean, net.parameters()):
            mean.lerp_(p.detach(), 1 - self.rate)

    def lend(self, net):
        self.kept = [p.data for p in net.parameters()]
        for p, mean in zip(net.parameters(), self.mean):
            p.data = mean.clone()

    def give_back(self, net):
        for p, old in zip(net.parameters(), self.kept):
            p.data = old


def labelled(net, averaged, x):
    averaged.lend(net)
    with torch.no_grad():
        return net(x).softmax(dim=-1)


class Listener(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv1d(1, 4, 3), nn.Conv1d(4, 4, 3)
        self.leave = nn.Linear(4, 2)

    def forward(self, x):
        heard = self.second(torch.relu_(self.first(x[:, None]))).mean(dim=2)
        return self.leave(torch.tanh_(heard))


def main():
    torch.manual_seed(83)
    net = Listener()
    averaged = Averaged(net)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.2)
    x, y, unlabelled = torch.randn(5, 8), torch.tensor([0, 1, 1, 0, 1]), torch.randn(7, 8)
    losses, gradients = [], []
    for _ in range(2):
        averaged.track(net)
        guess = net(torch.cat([x, unlabelled]))
        target = labelled(net, averaged, unlabelled)
        loss = nn.functional.cross_entropy(guess[:5], y)
        loss += (guess[5:].softmax(dim=-1) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        averaged.give_back(net)
        gradients.append([p.grad.clone() for p in net.parameters()])
        optimizer.step()
        losses.append(loss.detach())
    return {"losses": torch.stack(losses), "gradients": gradients, "weights": net.state_dict()}


if __name__ == "__main__":
    print(main()["losses"])
