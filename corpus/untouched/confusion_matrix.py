"""A confusion matrix in an integer tensor and scores derived from it."""

import torch


class ConfusionMatrix:
    """Counts of (truth, guess), int64."""

    def __init__(self, classes):
        self.classes = classes
        self.counts = torch.zeros(classes, classes, dtype=torch.int64)
        self.batches = 0

    def update(self, guess, truth):
        keep = truth >= 0
        index = truth[keep] * self.classes + guess[keep]
        self.counts += torch.bincount(index, minlength=self.classes**2).view(self.classes, -1)
        self.batches += 1

    def iou(self):
        hit = self.counts.diagonal().float()
        union = self.counts.sum(0).float() + self.counts.sum(1).float() - hit
        return hit / union.clamp(min=1)

    def reset(self):
        self.counts.zero_()
        self.batches = 0


def main():
    torch.manual_seed(23)
    matrix = ConfusionMatrix(3)
    for _ in range(2):
        truth = torch.randint(0, 3, (20,))
        guess = truth.clone()
        guess[::4] = (guess[::4] + 1) % 3
        truth[0] = -1
        matrix.update(guess, truth)
    counts, iou = matrix.counts.clone(), matrix.iou()
    matrix.reset()
    return {"counts": counts, "iou": iou, "after": matrix.counts.sum().item()}


if __name__ == "__main__":
    print(main())
