"""Additive angular margin (ArcFace) head for verification.

The sine is computed from `cosine ** 2`, which keeps the cosines; storing the shifted cosines of the true classes back
into the same matrix overwrites them, and backward raises.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn


class ArcMargin(nn.Module):
    """embeddings (N, D), labels (N,) -> scaled logits (N, K)."""

    def __init__(self, dim, classes, scale=8.0, margin=0.3):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(classes, dim))
        nn.init.xavier_uniform_(self.weight)
        self.scale = scale
        self.cos_m = math.cos(margin)
        self.sin_m = math.sin(margin)
        self.threshold = math.cos(math.pi - margin)
        self.fallback = math.sin(math.pi - margin) * margin

    def forward(self, embeddings, labels):
        cosine = F.linear(F.normalize(embeddings), F.normalize(self.weight))
        rows = torch.arange(len(labels))
        sine = (1.0 - cosine**2).clamp(min=1e-6).sqrt()
        phi = cosine * self.cos_m - sine * self.sin_m
        phi = torch.where(cosine > self.threshold, phi, cosine - self.fallback)
        cosine[rows, labels] = phi[rows, labels]
        cosine *= self.scale
        return cosine


def count_correct(logits, labels):
    """Per-class counts of right answers, a list."""
    counts = [0] * logits.shape[1]
    for guess, label in zip(logits.argmax(1).tolist(), labels.tolist(), strict=True):
        counts[label] += guess == label
    return counts


def main():
    torch.manual_seed(47)
    backbone = nn.Linear(6, 4)
    head = ArcMargin(4, 3)
    images = torch.randn(7, 6)
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 0])
    logits = head(backbone(images), labels)
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    return {
        "logits": logits.detach(),
        "counts": count_correct(logits, labels),
        "head.grad": head.weight.grad,
        "backbone.grad": backbone.weight.grad,
    }


if __name__ == "__main__":
    print(main()["logits"])
