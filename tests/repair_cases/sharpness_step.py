"""Sharpness-aware minimisation: climb to the neighbourhood's worst point, take its gradient, step from the start."""

import torch
from torch import nn


class Ascent:
    def __init__(self, parameters, rho):
        self.parameters, self.rho, self.moves = list(parameters), rho, []

    @torch.no_grad()
    def climb(self):
        norm = torch.stack([p.grad.norm() for p in self.parameters]).norm()
        norm += 1e-12
        self.moves = [p.grad * (self.rho / norm) for p in self.parameters]
        for parameter, move in zip(self.parameters, self.moves):
            parameter.add_(move)

    @torch.no_grad()
    def return_(self):
        for parameter, move in zip(self.parameters, self.moves):
            parameter.sub_(move)


def main():
    torch.manual_seed(68)
    model = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
    ascent = Ascent(model.parameters(), rho=0.5)
    x, labels = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    losses = []
    for _ in range(2):
        loss = nn.functional.cross_entropy(model(x), labels)
        optimizer.zero_grad()
        loss.backward(retain_graph=True)
        ascent.climb()
        optimizer.zero_grad()
        loss.backward()
        ascent.return_()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "weights": list(model.parameters())}


if __name__ == "__main__":
    print(main()["losses"])
