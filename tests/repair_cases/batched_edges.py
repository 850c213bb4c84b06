"""Message passing on a union of graphs: node offsets are put onto the edge list between two look-ups."""

import torch
from torch import nn


class Messages(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.local = nn.Linear(size, size)
        self.cross = nn.Linear(size, size)

    def forward(self, own, shared, edges, offset):
        sent = self.local(own[edges[0]])
        weight = torch.sigmoid((own[edges[1]] * sent).sum(dim=1, keepdim=True))
        edges[1] += offset
        received = self.cross(shared[edges[1]])
        return torch.zeros_like(own).index_add(0, edges[0], weight * received)


def ring(nodes):
    start = torch.arange(nodes)
    edges = torch.stack((start, start.roll(-1)))
    edges[1] %= nodes
    return edges


def main():
    torch.manual_seed(13)
    own = nn.Embedding(4, 3)
    shared = nn.Embedding(8, 3)
    layer = Messages(3)
    parameters = [*own.parameters(), *shared.parameters(), *layer.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    losses = []
    for _ in range(2):
        edges = ring(4)
        out = layer(own.weight * 1.0, shared.weight, edges, 4)
        loss = out.square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "edges": edges, "grads": [p.grad for p in parameters]}


if __name__ == "__main__":
    print(main()["losses"])
