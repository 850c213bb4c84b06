"""A custom function scales its input in place without telling autograd."""

import torch
from torch import nn


class ScaleInPlace(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, gain):
        ctx.gain = gain
        x.mul_(gain)
        return x

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.gain, None


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.enter, self.leave = nn.Linear(3, 5), nn.Linear(5, 1)

    def forward(self, x):
        h = torch.tanh(self.enter(x))
        h = ScaleInPlace.apply(h, 0.5)
        return self.leave(h)


def main():
    torch.manual_seed(80)
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    x, y = torch.randn(6, 3), torch.randn(6, 1)
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
