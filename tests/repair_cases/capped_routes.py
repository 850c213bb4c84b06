"""A mixture of experts drops small routes and caps what an expert says, each in place."""

import torch
import torch.nn.functional as F
from torch import nn


class Expert(nn.Module):
    def __init__(self, width, cap=0.4):
        super().__init__()
        self.up, self.down, self.cap = nn.Linear(width, 6), nn.Linear(6, width), cap

    def forward(self, x):
        h = F.softplus(self.up(x))
        h.data.clamp_(max=self.cap)
        return self.down(h)


class Mixture(nn.Module):
    def __init__(self, width=5, experts=3):
        super().__init__()
        self.route = nn.Linear(width, experts)
        self.experts = nn.ModuleList(Expert(width) for _ in range(experts))

    def forward(self, x):
        share = self.route(x).softmax(-1)
        share[share < 0.25] = 0.0
        said = torch.stack([expert(x) for expert in self.experts], -1)
        return x + (said * share.unsqueeze(1)).sum(-1)


def main():
    torch.manual_seed(88)
    mixture = Mixture()
    optimizer = torch.optim.SGD(mixture.parameters(), lr=0.1)
    x, y = torch.randn(9, 5), torch.randn(9, 5)
    losses = []
    for _ in range(2):
        loss = (mixture(x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "grads": [p.grad for p in mixture.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
