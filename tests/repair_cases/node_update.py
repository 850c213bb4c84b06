"""Two rounds of message passing where the messages are added onto the node states that made them."""

import torch
from torch import nn


class Round(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.message = nn.Linear(2 * size, size)

    def forward(self, nodes, source, target):
        pairs = torch.cat((nodes[source], nodes[target]), dim=1)
        sent = torch.relu(self.message(pairs))
        strength = (nodes * nodes).sum(dim=1, keepdim=True)
        nodes.index_add_(0, target, sent)
        return nodes / (1 + strength)


def main():
    torch.manual_seed(26)
    embed = nn.Linear(2, 4)
    rounds = nn.ModuleList(Round(4) for _ in range(2))
    parameters = [*embed.parameters(), *rounds.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    features = torch.randn(5, 2)
    source, target = torch.tensor([0, 1, 2, 3, 4, 0]), torch.tensor([1, 2, 3, 4, 0, 2])
    degree = torch.zeros(5).index_add_(0, target, torch.ones(6))
    losses = []
    for _ in range(2):
        nodes = embed(features)
        for layer in rounds:
            nodes = layer(nodes, source, target)
        loss = (nodes.sum(dim=1) - degree).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "nodes": nodes, "grads": [p.grad for p in parameters]}


if __name__ == "__main__":
    print(main()["losses"])
