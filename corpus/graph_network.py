"""Message passing on a small graph: gather, scatter-add, mean, residual.

The aggregated messages pass a ReLU, which keeps its output; adding the old node features onto it in place overwrites
it, and backward raises. Summing messages into a fresh buffer with `index_add_` is harmless.
"""

import torch
from torch import nn


class MeanConv(nn.Module):
    """nodes (V, D), edges (2, E) -> nodes (V, D)."""

    def __init__(self, dim):
        super().__init__()
        self.message = nn.Linear(2 * dim, dim)

    def forward(self, nodes, edges):
        source, target = edges
        messages = self.message(torch.cat([nodes[source], nodes[target]], dim=1))
        total = torch.zeros_like(nodes)
        total.index_add_(0, target, messages)
        degree = torch.bincount(target, minlength=len(nodes)).float()
        degree.clamp_(min=1)
        total /= degree[:, None]
        hidden = torch.relu(total)
        hidden += nodes
        return hidden


class GraphNet(nn.Module):
    """Two rounds of messages and a read-out by the mean."""

    def __init__(self, inputs, dim):
        super().__init__()
        self.lift = nn.Linear(inputs, dim)
        self.rounds = nn.ModuleList([MeanConv(dim), MeanConv(dim)])
        self.readout = nn.Linear(dim, 1)

    def forward(self, features, edges):
        nodes = self.lift(features)
        for layer in self.rounds:
            nodes = layer(nodes, edges)
        return self.readout(nodes.mean(0))


def ring(size):
    """Directed ring with a few chords, (2, E)."""
    edges = [(i, (i + 1) % size) for i in range(size)]
    edges += [(i, (i + 3) % size) for i in range(0, size, 2)]
    return torch.tensor(edges).t()


def main():
    torch.manual_seed(18)
    model = GraphNet(3, 5)
    features = torch.randn(7, 3)
    prediction = model(features, ring(7))
    loss = (prediction - 1.0).square().sum()
    loss.backward()
    return {"prediction": prediction.detach(), **{name: p.grad for name, p in model.named_parameters()}}


if __name__ == "__main__":
    print(main()["prediction"])
