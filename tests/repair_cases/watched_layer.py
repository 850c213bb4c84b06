"""A full backward hook keeps what reaches a convolution, whose output an activation overwrites."""

import torch
import torch.nn.functional as F
from torch import nn


class Watch:
    def __init__(self, layer):
        self.reached = []
        layer.register_full_backward_hook(self.keep)

    def keep(self, layer, into, out_of):
        self.reached.append(out_of[0].abs().mean().item())


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = nn.Conv1d(1, 4, 3), nn.Conv1d(4, 4, 3), nn.Linear(4, 2)

    def forward(self, x):
        x = F.relu_(self.first(x))
        x = F.relu_(self.second(x))
        return self.last(x.mean(2))


def main():
    torch.manual_seed(91)
    net = Net()
    watch = Watch(net.second)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    x, y = torch.randn(5, 1, 9), torch.tensor([0, 1, 1, 0, 1])
    losses = []
    for _ in range(2):
        loss = F.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "reached": watch.reached, "grads": [p.grad for p in net.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
