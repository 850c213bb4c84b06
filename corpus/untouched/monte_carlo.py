"""Estimates by sampling: hits are counted in Python numbers, batches are plain random tensors."""

import math

import torch


def pi(batches, size):
    """Estimate of pi and its standard error."""
    hits, total = 0, 0
    for _ in range(batches):
        points = torch.rand(size, 2)
        points *= 2
        points -= 1
        hits += int((points.square().sum(dim=1) <= 1).sum())
        total += size
    share = hits / total
    share *= 4
    return share, math.sqrt(share * (4 - share) / total)


def antithetic(function, size):
    """Mean over pairs u and 1 - u."""
    u = torch.rand(size)
    value = function(u)
    value += function(1 - u)
    value /= 2
    return value.mean().item()


def main():
    torch.manual_seed(62)
    estimate, error = pi(3, 50)
    return {"estimate": estimate, "error": error, "mean": antithetic(torch.exp, 64)}


if __name__ == "__main__":
    print(main())
