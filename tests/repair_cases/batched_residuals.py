"""Residuals of a pose estimate, written slot by slot and mapped over a batch of poses."""

import torch
from torch import nn

POINTS = torch.tensor([[0.0, 1.0], [1.0, 0.5], [-1.0, 0.2]])


def residuals(pose):
    cosine, sine = torch.cos(pose[2]), torch.sin(pose[2])
    errors = torch.zeros(len(POINTS))
    for index, (x, y) in enumerate(POINTS):
        moved = cosine * x - sine * y + pose[0], sine * x + cosine * y + pose[1]
        errors[index] = moved[0].square() + moved[1].square()
    return errors


def main():
    torch.manual_seed(82)
    network = nn.Linear(2, 3)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    seen = torch.randn(4, 2)
    seen += 0.1
    losses = []
    for _ in range(2):
        errors = torch.vmap(residuals)(network(seen))
        loss = errors.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "errors": errors, "grads": [p.grad for p in network.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
