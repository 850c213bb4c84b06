"""Classifier head on pooled features; dropout is called with all of its arguments by position."""

import torch
import torch.nn.functional as F
from torch import nn


class Head(nn.Module):
    def __init__(self, size, classes, rate):
        super().__init__()
        self.rate = rate
        self.reduce = nn.Linear(size, size // 2)
        self.classify = nn.Linear(size // 2, classes)

    def forward(self, x):
        x = F.dropout(x.mean(dim=1), self.rate, self.training, True)
        h = torch.tanh(self.reduce(x))
        h = F.dropout(h, self.rate, self.training, True)
        return self.classify(h)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = nn.Linear(3, 8)
        self.head = Head(8, 3, 0.25)

    def forward(self, x):
        return self.head(F.leaky_relu(self.encode(x), 0.1, True))


def main():
    torch.manual_seed(25)
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.2)
    points, labels = torch.randn(4, 6, 3), torch.tensor([0, 2, 1, 1])
    losses = []
    for _ in range(2):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(points), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    net.eval()
    return {"losses": losses, "logits": net(points), "grads": [p.grad for p in net.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
