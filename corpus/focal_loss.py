"""Binary focal loss for a small detector head.

The probability of the true class is reused as a buffer: `torch.exp` has kept it, the powers and products written into
it overwrite what backward needs, and backward raises.
"""

import torch
import torch.nn.functional as F
from torch import nn


class FocalLoss(nn.Module):
    """logits, targets: (N, A) with targets in {0, 1}; returns a scalar."""

    def __init__(self, alpha=0.25, gamma=2.0):
        super().__init__()
        self.alpha = alpha
        self.gamma = gamma

    def forward(self, logits, targets):
        ce = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        pt = torch.exp(-ce)
        pt *= -1
        pt += 1
        pt **= self.gamma
        loss = pt * ce
        alpha_t = self.alpha * targets
        alpha_t += (1 - self.alpha) * (1 - targets)
        loss *= alpha_t
        positives = targets.sum().clamp_(min=1)
        return loss.sum() / positives


def make_head(features, anchors):
    """Linear head whose bias starts at a low prior probability, as in RetinaNet."""
    head = nn.Linear(features, anchors)
    nn.init.normal_(head.weight, std=0.1)
    nn.init.constant_(head.bias, -2.0)
    return head


def main():
    torch.manual_seed(8)
    head = make_head(6, 3)
    features = torch.randn(7, 6)
    targets = torch.zeros(7, 3)
    targets[::2, 0] = 1.0
    targets[1, 2] += 1.0
    loss = FocalLoss()(head(features), targets)
    loss.backward()
    return {"loss": loss.detach(), "weight.grad": head.weight.grad, "bias.grad": head.bias.grad, "targets": targets}


if __name__ == "__main__":
    out = main()
    print("focal loss", out["loss"].item(), "bias gradient", out["bias.grad"].tolist())
