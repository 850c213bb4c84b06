"""Triplet loss with batch-hard mining, as in person re-identification code.

The distance matrix is accumulated with `addmm_` and finished by a chain of underscore methods; `sqrt_` keeps its
result, which the exclusion of impossible pairs then overwrites in place: backward raises.
"""

import torch
import torch.nn.functional as F
from torch import nn


def euclidean(x):
    """Pairwise distances (N, N) of the rows of x (N, D)."""
    n = x.size(0)
    dist = torch.pow(x, 2).sum(dim=1, keepdim=True).expand(n, n)
    dist = dist + dist.t()
    dist.addmm_(x, x.t(), beta=1, alpha=-2)
    dist.clamp_(min=1e-12).sqrt_()
    return dist


class BatchHardTriplet(nn.Module):
    """embeddings (N, D), identities (N,) -> scalar."""

    def __init__(self, margin=0.3):
        super().__init__()
        self.margin = margin

    def forward(self, embeddings, identities):
        dist = euclidean(embeddings)
        same = identities.unsqueeze(0).eq(identities.unsqueeze(1))
        different = ~same
        same.fill_diagonal_(False)

        farthest = torch.where(same, dist, 0.0).amax(dim=1)
        dist += 1e6 * (~different)
        nearest = dist.amin(dim=1)
        losses = farthest - nearest
        losses += self.margin
        return losses.clamp_(min=0).mean()


def main():
    torch.manual_seed(40)
    net = nn.Sequential(nn.Linear(6, 10), nn.BatchNorm1d(10), nn.ReLU(inplace=True), nn.Linear(10, 4))
    images = torch.randn(8, 6)
    identities = torch.arange(8) // 2
    images += identities.unsqueeze(1)
    embeddings = F.normalize(net(images))
    loss = BatchHardTriplet()(embeddings, identities)
    loss.backward()
    return {"loss": loss.detach(), "embeddings": embeddings.detach(), **{n: p.grad for n, p in net.named_parameters()}}


if __name__ == "__main__":
    print(f"triplet loss {main()['loss'].item():.4f}")
