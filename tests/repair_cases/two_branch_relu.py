"""A block with two branches from one input; one `ReLU` module is used in two places."""

import torch
from torch import nn


class TwoBranch(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.relu = nn.ReLU(inplace=True)
        self.gate = nn.Conv2d(channels, channels, 1)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x):
        gate = torch.sigmoid(self.gate(x))
        h = self.relu(x)
        h = self.relu(self.norm(self.conv(h)))
        return h * gate


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3)
        self.block = TwoBranch(4)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.block(self.stem(x)).amax(dim=(2, 3)))


def main():
    torch.manual_seed(39)
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    x, labels = torch.randn(3, 1, 6, 6), torch.tensor([1, 0, 1])
    losses = []
    for _ in range(2):
        loss = nn.functional.cross_entropy(net(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "running": net.block.norm.running_var, "grads": [p.grad for p in net.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
