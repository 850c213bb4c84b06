"""Several losses added out of place, and their parts logged as numbers."""

import torch
import torch.nn.functional as F
from torch import nn


class Totals:
    """Means of named numbers."""

    def __init__(self):
        self.sums, self.counts = {}, {}

    def add(self, **values):
        for name, value in values.items():
            self.sums.setdefault(name, 0.0)
            self.sums[name] += value
            self.counts[name] = self.counts.get(name, 0) + 1

    def means(self):
        return {name: value / self.counts[name] for name, value in self.sums.items()}


def main():
    torch.manual_seed(67)
    net, totals = nn.Linear(4, 3), Totals()
    x, y = torch.randn(6, 4), torch.tensor([0, 1, 2, 0, 1, 2])
    total = torch.zeros(())
    for part in (slice(0, 3), slice(3, 6)):
        logits = net(x[part])
        fit = F.cross_entropy(logits, y[part])
        size = 0.01 * logits.square().mean()
        total = total + fit + size
        totals.add(fit=fit.item(), size=size.item())
    total = total / 2
    total.backward()
    return {"total": total.detach(), "grad": net.weight.grad, **totals.means()}


if __name__ == "__main__":
    print(main()["total"])
