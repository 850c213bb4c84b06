"""Huber-like loss on flow vectors; the piecewise loss is written into a buffer that was allocated once."""

import torch
from torch import nn


class RobustLoss:
    def __init__(self, delta, shape):
        self.delta = delta
        self.buffer = torch.zeros(shape)

    def __call__(self, predicted, wanted):
        error = (predicted - wanted).abs()
        quadratic = 0.5 * error * error / self.delta
        linear = error - 0.5 * self.delta
        torch.where(error < self.delta, quadratic, linear, out=self.buffer)
        return self.buffer.mean()


def objective(model, robust, x, wanted):
    flow = model(x)
    flow *= 2.0
    return robust(flow, wanted)


def main():
    torch.manual_seed(20)
    model = nn.Conv2d(2, 2, 3, padding=1)
    robust = RobustLoss(0.3, (2, 2, 5, 5))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, wanted = torch.randn(2, 2, 5, 5), torch.randn(2, 2, 5, 5)
    losses = []
    for _ in range(2):
        loss = objective(model, robust, x, wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "weight": model.weight, "grad": model.weight.grad}


if __name__ == "__main__":
    print(main()["losses"])
