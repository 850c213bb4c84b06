"""Tversky loss for segmentation with class weights, written over several lines.

The sigmoid keeps its probabilities; gamma correction and renormalisation are done in place on them: backward raises.
The statements are long enough to carry comments of their own.
"""

import torch
import torch.nn.functional as F
from torch import nn


class Tversky(nn.Module):
    """logits and one-hot targets (N, K, H, W) -> scalar."""

    def __init__(self, weights, alpha=0.3, beta=0.7, eps=1e-5):
        super().__init__()
        self.register_buffer("weights", torch.tensor(weights))
        self.alpha, self.beta, self.eps = alpha, beta, eps

    def forward(self, logits, onehot):
        p = torch.sigmoid(logits)
        p **= 1.5  # sharpen
        p /= (
            p.sum(dim=1, keepdim=True)  # over the classes
            + self.eps
        )

        overlap = (p * onehot).sum(dim=(0, 2, 3))
        false_positive = (p * (1 - onehot)).sum(dim=(0, 2, 3))
        false_negative = ((1 - p) * onehot).sum(dim=(0, 2, 3))
        denominator = overlap + self.eps
        denominator += (
            # asymmetric: missing a pixel costs more
            self.alpha * false_positive
            + self.beta * false_negative
        )
        index = overlap / denominator
        index.mul_(
            self.weights,  # rare classes count more
        ).neg_()
        return index.sum() + self.weights.sum()


def encode(labels, classes):
    """Class indices (N, H, W) to one-hot (N, K, H, W) floats."""
    onehot = torch.zeros(labels.shape[0], classes, *labels.shape[1:])
    onehot.scatter_(1, labels.unsqueeze(1), 1.0)
    return onehot


def main():
    torch.manual_seed(65)
    net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(4, 3, 1))
    images = torch.randn(2, 1, 5, 5)
    labels = torch.randint(0, 3, (2, 5, 5))
    logits = net(images)
    loss = Tversky([0.2, 0.3, 0.5])(logits, encode(labels, 3))
    loss = loss + 0.1 * F.cross_entropy(logits, labels)
    loss.backward()
    return {"logits": logits.detach(), "loss": loss.detach(), **{n: p.grad for n, p in net.named_parameters()}}


if __name__ == "__main__":
    print(main()["loss"])
