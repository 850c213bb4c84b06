"""Deformable attention in miniature: a query samples features at learned offsets from its reference point.

`tanh` keeps its output, which is then scaled and shifted into sampling locations in place; backward raises. The bounded
locations are returned by a chain of underscore methods.
"""

import torch
import torch.nn.functional as F
from torch import nn


class DeformableSampler(nn.Module):
    """Queries (N, Q, D), references (N, Q, 2) in [-1, 1], features (N, D, H, W) -> (N, Q, D)."""

    def __init__(self, dim, points=3, reach=0.5):
        super().__init__()
        self.points = points
        self.reach = reach
        self.offsets = nn.Linear(dim, 2 * points)
        self.weights = nn.Linear(dim, points)

    def locations(self, queries, references):
        n, q, _ = queries.shape
        offset = torch.tanh(self.offsets(queries)).view(n, q, self.points, 2)
        return offset.mul_(self.reach).add_(references[:, :, None]).clamp_(-1.0, 1.0)

    def forward(self, queries, references, features):
        where = self.locations(queries, references)
        sampled = F.grid_sample(features, where, align_corners=False, padding_mode="border")
        weights = self.weights(queries).softmax(dim=-1)
        return (sampled * weights.unsqueeze(1)).sum(-1).transpose(1, 2)


def reference_points(batch, queries):
    """Evenly spread points on the diagonal, pulled in from the border."""
    line = torch.linspace(-1, 1, queries)
    line.mul_(0.9)
    return line[None, :, None].expand(batch, queries, 2).clone()


def main():
    torch.manual_seed(25)
    sampler = DeformableSampler(4)
    with torch.no_grad():
        sampler.offsets.bias.zero_()
        sampler.offsets.weight.mul_(0.5)
    queries = torch.randn(2, 5, 4)
    features = torch.randn(2, 4, 6, 6, requires_grad=True)
    out = sampler(queries, reference_points(2, 5), features)
    loss = out.square().sum()
    loss.backward()
    return {"out": out.detach(), "features.grad": features.grad, **{n: p.grad for n, p in sampler.named_parameters()}}


if __name__ == "__main__":
    print(main()["out"].norm())
