"""Regression on tabular data; the loss is a root mean square plus penalties that are added up as they come."""

import torch
import torch.nn.functional as F
from torch import nn


class Regressor(nn.Module):
    def __init__(self, features):
        super().__init__()
        self.hidden = nn.Linear(features, 8)
        self.drop = nn.Dropout(0.1)
        self.out = nn.Linear(8, 1)

    def forward(self, x):
        return self.out(self.drop(torch.tanh(self.hidden(x)))).squeeze(1)


def penalty(model, weight):
    total = 0.0
    for name, parameter in model.named_parameters():
        if name.endswith("weight"):
            total += weight * parameter.abs().sum()
    return total


def objective(model, x, y):
    loss = torch.sqrt(F.mse_loss(model(x), y))
    loss += penalty(model, 1e-3)
    return loss


def main():
    torch.manual_seed(6)
    model = Regressor(4)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-2)
    x = torch.randn(10, 4)
    y = x.sum(dim=1) + 0.1 * torch.randn(10)
    running = []
    for epoch in range(2):
        optimizer.zero_grad()
        loss = objective(model, x, y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        running.append(loss.detach())
    return {"running": running, "weights": dict(model.named_parameters())}


if __name__ == "__main__":
    print(main()["running"])
