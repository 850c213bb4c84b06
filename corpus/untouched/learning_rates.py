"""Learning-rate schedules by hand: numbers in parameter groups and lists."""

import math

import torch


class WarmupCosine:
    """Linear warm-up, cosine decay, per parameter group."""

    def __init__(self, optimizer, warmup, total):
        self.optimizer = optimizer
        self.warmup = warmup
        self.total = total
        self.count = 0
        self.base = [group["lr"] for group in optimizer.param_groups]

    def step(self):
        self.count += 1
        if self.count <= self.warmup:
            factor = self.count / self.warmup
        else:
            progress = self.count - self.warmup
            progress /= self.total - self.warmup
            factor = 0.5
            factor *= 1 + math.cos(math.pi * progress)
        for group, base in zip(self.optimizer.param_groups, self.base, strict=True):
            group["lr"] = base * factor


def decay(optimizer, gamma):
    """Multiply all rates, as many scripts do at milestones."""
    for group in optimizer.param_groups:
        group["lr"] *= gamma
    lr = optimizer.param_groups[0]["lr"]
    lr /= 10
    return lr


def main():
    w = torch.ones(3, requires_grad=True)
    b = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([{"params": [w]}, {"params": [b], "lr": 0.2}], lr=0.1)
    schedule = WarmupCosine(optimizer, warmup=2, total=6)
    rates = []
    for _ in range(6):
        optimizer.zero_grad()
        (w.sum() + b).pow(2).sum().backward()
        optimizer.step()
        schedule.step()
        rates.append([g["lr"] for g in optimizer.param_groups])
    return {"rates": rates, "last": decay(optimizer, 0.5), "w": w.detach()}


if __name__ == "__main__":
    print(main()["rates"])
