"""Differentiable matching: Sinkhorn normalisation of a score matrix in log space.

`logsumexp` keeps its input, from which its result is subtracted in place: backward raises. Rows and columns are
normalised in turn, one augmented assignment each.
"""

import torch
from torch import nn


def sinkhorn(scores, iterations, temperature=0.5):
    """(N, N) -> doubly stochastic (N, N), in log space."""
    log_p = scores / temperature
    for _ in range(iterations):
        log_p -= torch.logsumexp(log_p, dim=1, keepdim=True)
        log_p -= torch.logsumexp(log_p, dim=0, keepdim=True)
    return log_p


class Matcher(nn.Module):
    """Scores two point sets (N, D) against each other after an embedding."""

    def __init__(self, dim, width):
        super().__init__()
        self.embed = nn.Linear(dim, width)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, a, b):
        fa, fb = self.embed(a), self.embed(b)
        scores = fa @ fb.t()
        scores *= self.scale
        return sinkhorn(scores, iterations=4)


def accuracy(log_p, permutation):
    """Share of rows whose best column is the right one."""
    correct = 0
    for row, column in enumerate(permutation.tolist()):
        correct += int(log_p[row].argmax()) == column
    return correct / len(permutation)


def main():
    torch.manual_seed(46)
    matcher = Matcher(3, 4)
    points = torch.randn(5, 3)
    permutation = torch.tensor([2, 0, 1, 4, 3])
    shuffled = torch.empty_like(points)
    shuffled[permutation] = points
    shuffled += 0.05 * torch.randn(5, 3)
    log_p = matcher(points, shuffled)
    loss = -log_p[torch.arange(5), permutation].mean()
    loss.backward()
    return {
        "log_p": log_p.detach(),
        "accuracy": accuracy(log_p, permutation),
        **{name: p.grad for name, p in matcher.named_parameters()},
    }


if __name__ == "__main__":
    print(main()["log_p"].exp())
