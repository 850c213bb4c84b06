"""Two students that learn from the labels and from each other's predictions."""

import torch
import torch.nn.functional as F
from torch import nn


def student():
    return nn.Sequential(nn.Linear(3, 6), nn.ReLU(inplace=True), nn.Linear(6, 3))


def agreement(own, other):
    return F.kl_div(own.log_softmax(dim=1), other.softmax(dim=1), reduction="batchmean")


def main():
    torch.manual_seed(70)
    left, right = student(), student()
    optimizer_left = torch.optim.SGD(left.parameters(), lr=0.5)
    optimizer_right = torch.optim.SGD(right.parameters(), lr=0.5)
    x, labels = torch.randn(6, 3), torch.tensor([0, 1, 2, 2, 1, 0])
    history = []
    for _ in range(2):
        a, b = left(x), right(x)
        loss_left = F.cross_entropy(a, labels) + agreement(a, b)
        loss_right = F.cross_entropy(b, labels) + agreement(b, a)
        optimizer_left.zero_grad()
        loss_left.backward(retain_graph=True)
        optimizer_left.step()
        optimizer_right.zero_grad()
        loss_right.backward()
        optimizer_right.step()
        history.append((loss_left.item(), loss_right.item()))
    return {"history": history, "left": left.state_dict(), "right": right.state_dict()}


if __name__ == "__main__":
    print(main()["history"])
