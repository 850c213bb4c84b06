"""A bank of features of a frozen teacher, filled slot by slot under `no_grad`, which a student is compared with."""

import torch
from torch import nn


class Bank:
    """One feature per batch of the teacher's, and how often each slot was filled."""

    def __init__(self, slots: int, width: int):
        self.features = torch.zeros(slots, width)
        self.counts = [0] * slots

    @torch.no_grad()
    def fill(self, teacher: nn.Module, batches: list[torch.Tensor]) -> None:
        features = torch.zeros(len(batches), self.features.shape[1])
        for i, batch in enumerate(batches):
            features[i] = teacher(batch).mean(dim=0)
            self.counts[i] += 1
        self.features.copy_(features)


def main():
    torch.manual_seed(6)
    teacher, student = nn.Linear(3, 4), nn.Linear(3, 4)
    batches = [torch.randn(5, 3) for _ in range(3)]
    bank = Bank(len(batches), 4)
    bank.fill(teacher, batches)
    loss = torch.zeros(())
    for batch, feature in zip(batches, bank.features, strict=True):
        loss = loss + nn.functional.mse_loss(student(batch).mean(dim=0), feature)
    loss.backward()
    return {
        "features": bank.features,
        "counts": bank.counts,
        "loss": loss.detach(),
        **{f"grad.{name}": p.grad for name, p in student.named_parameters()},
    }


if __name__ == "__main__":
    print(main()["loss"])
