"""Scores computed with NumPy from detached predictions: arrays are counted, normalised and sorted in place."""

import numpy as np
import torch
from torch import nn


def confusion(truth, guess, classes):
    """Row-normalised counts (K, K)."""
    table = np.zeros((classes, classes))
    for t, g in zip(truth, guess, strict=True):
        table[t, g] += 1
    table /= table.sum(axis=1, keepdims=True)
    return table


def calibration(confidence, correct, bins):
    """Expected calibration error."""
    error = 0.0
    edges = np.linspace(0, 1, bins + 1)
    edges[-1] += 1e-9
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        inside = (confidence >= low) & (confidence < high)
        if inside.any():
            error += inside.mean() * abs(confidence[inside].mean() - correct[inside].mean())
    return error


def main():
    torch.manual_seed(68)
    net = nn.Linear(4, 3)
    x, truth = torch.randn(30, 4), np.arange(30) % 3
    p = torch.softmax(net(x), dim=1).detach().numpy()
    guess = p.argmax(axis=1)
    ranked = p.max(axis=1)
    order = ranked.copy()
    order.sort()
    order *= 100
    return {
        "table": confusion(truth, guess, 3).tolist(),
        "error": float(calibration(ranked, (guess == truth).astype(float), 5)),
        "best": float(order[-1]),
    }


if __name__ == "__main__":
    print(main()["error"])
