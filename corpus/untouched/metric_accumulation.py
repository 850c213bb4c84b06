"""Metrics gathered over batches as Python numbers, from `.item()`, `.tolist()` and `float(...)`."""

import torch
from torch import nn


class Accuracy:
    """Top-k accuracy over everything seen."""

    def __init__(self, k=1):
        self.k = k
        self.hits = 0
        self.total = 0

    def update(self, logits, labels):
        top = logits.topk(self.k, dim=1).indices
        self.hits += (top == labels[:, None]).any(dim=1).sum().item()
        self.total += labels.shape[0]

    def compute(self):
        return self.hits / self.total


def main():
    torch.manual_seed(16)
    model = nn.Linear(5, 4)
    metrics = {"top1": Accuracy(), "top2": Accuracy(2)}
    sums = {"loss": 0.0, "norm": 0.0}
    per_class = [0] * 4
    for _ in range(3):
        x, labels = torch.randn(6, 5), torch.randint(0, 4, (6,))
        logits = model(x)
        loss = nn.functional.cross_entropy(logits, labels)
        loss.backward()
        sums["loss"] += loss.item()
        sums["norm"] += float(model.weight.grad.norm())
        for metric in metrics.values():
            metric.update(logits.detach(), labels)
        for label in labels.tolist():
            per_class[label] += 1
    for key in sums:
        sums[key] /= 3
    return {**sums, **{k: m.compute() for k, m in metrics.items()}, "per_class": per_class}


if __name__ == "__main__":
    print(main())
