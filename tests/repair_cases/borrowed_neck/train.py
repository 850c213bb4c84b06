"""Training with a feature neck from an installed package."""

import sys
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent / "site-packages"))

from fpnlib import Neck  # noqa: E402


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.neck, self.head = nn.Conv2d(1, 4, 3, padding=1), Neck(4), nn.Conv2d(4, 1, 1)

    def forward(self, x):
        low = self.stem(x)
        return self.head(self.neck(low, nn.functional.avg_pool2d(low, 2)))


def main():
    torch.manual_seed(83)
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    x, y = torch.randn(2, 1, 8, 8), torch.randn(2, 1, 8, 8)
    losses = []
    for _ in range(2):
        loss = (net(x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "grads": [p.grad for p in net.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
