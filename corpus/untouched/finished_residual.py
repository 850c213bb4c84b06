"""A residual network that is written out of place throughout."""

import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    """(N, D) -> (N, D)."""

    def __init__(self, dim):
        super().__init__()
        self.fc1 = nn.Linear(dim, dim)
        self.fc2 = nn.Linear(dim, dim)
        self.scale = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        y = torch.sigmoid(self.fc1(x))
        y = y * self.scale
        y = y / (y.norm(dim=1, keepdim=True) + 1e-6)
        y = F.relu(self.fc2(y))
        x = x + y
        x = x.clamp(min=-3.0)
        return x


class Net(nn.Module):
    """A stack of blocks and a head."""

    def __init__(self, dim, depth):
        super().__init__()
        self.blocks = nn.ModuleList(Block(dim) for _ in range(depth))
        self.head = nn.Linear(dim, 2)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def main():
    torch.manual_seed(14)
    net = Net(4, 2)
    logits = net(torch.randn(3, 4))
    loss = F.cross_entropy(logits, torch.tensor([0, 1, 1]))
    loss.backward()
    return {"logits": logits.detach(), **{name: p.grad for name, p in net.named_parameters()}}


if __name__ == "__main__":
    print(main()["logits"])
