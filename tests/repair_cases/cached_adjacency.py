"""Graph network with a learned adjacency matrix that is computed once, before the loop."""

import torch
from torch import nn


class Learned(nn.Module):
    def __init__(self, nodes, size):
        super().__init__()
        self.source = nn.Parameter(torch.randn(nodes, size))
        self.target = nn.Parameter(torch.randn(nodes, size))
        self.mix = nn.Linear(1, 1)

    def adjacency(self):
        scores = self.source @ self.target.t()
        scores.relu_()
        return scores.softmax(dim=1)

    def forward(self, x, adjacency):
        return self.mix((x @ adjacency).unsqueeze(-1)).squeeze(-1)


def main():
    torch.manual_seed(62)
    model = Learned(4, 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    x, y = torch.randn(5, 4), torch.randn(5, 4)
    y.mul_(0.5)
    adjacency = model.adjacency()
    losses = []
    for _ in range(3):
        loss = (model(x, adjacency) - y).square().mean()
        optimizer.zero_grad()
        loss.backward(retain_graph=True)
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "weights": list(model.parameters())}


if __name__ == "__main__":
    print(main()["losses"])
