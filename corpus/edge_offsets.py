"""Attention over a bipartite graph; the edge list is shifted for logging after it was used as an index.

The index is an integer tensor and never requires grad, yet indexing has kept it: shifting it in place afterwards is
what backward raises about. Among tracked writes there is only the sum of the losses, which is harmless.
"""

import torch
from torch import nn


class BipartiteAttention(nn.Module):
    """Left nodes (L, D), right nodes (R, D), edges (2, E) -> one value per edge (E,)."""

    def __init__(self, dim):
        super().__init__()
        self.left = nn.Linear(dim, dim)
        self.right = nn.Linear(dim, dim)

    def forward(self, left, right, edges):
        affinity = self.left(left) @ self.right(right).t()
        return affinity[edges[0], edges[1]]


def global_edges(edges, offset):
    """Edges in the numbering where right nodes follow left ones; changes the list that is given."""
    edges[1] += offset
    return edges


def degree_table(edges, count):
    """How often every node occurs, a list of ints."""
    table = [0] * count
    for node in edges.flatten().tolist():
        table[node] += 1
    return table


def main():
    torch.manual_seed(74)
    model = BipartiteAttention(3)
    left, right = torch.randn(4, 3), torch.randn(3, 3)
    edges = torch.tensor([[0, 1, 2, 3, 3], [0, 0, 1, 2, 1]])
    values = model(left, right, edges)
    loss = values.square().mean()
    loss += 0.1 * values.abs().sum()
    degrees = degree_table(global_edges(edges, offset=4), count=7)
    loss.backward()
    return {
        "values": values.detach(),
        "degrees": degrees,
        **{name: p.grad for name, p in model.named_parameters()},
    }


if __name__ == "__main__":
    print(main()["degrees"])
