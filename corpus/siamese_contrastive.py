"""A siamese network with the classic contrastive loss.

The difference of the two embeddings is squared by multiplying it with itself in place: the multiplication keeps its own
operand, which it overwrites at the same time, and backward raises.
"""

import torch
from torch import nn


class Branch(nn.Module):
    """Shared encoder: (N, 1, L) -> (N, E)."""

    def __init__(self, embedding):
        super().__init__()
        self.conv = nn.Conv1d(1, 4, 3, padding=1)
        self.fc = nn.Linear(4, embedding)

    def forward(self, signal):
        h = self.conv(signal)
        h.relu_()
        return self.fc(h.mean(dim=-1))


class ContrastiveLoss(nn.Module):
    """Pulls pairs with label 1 together, pushes others beyond the margin."""

    def __init__(self, margin=1.0):
        super().__init__()
        self.margin = margin

    def forward(self, a, b, same):
        diff = a - b
        diff *= diff
        squared = diff.sum(dim=1)
        distance = torch.sqrt(squared + 1e-9)
        hinge = self.margin - distance
        hinge.clamp_(min=0.0)
        hinge = hinge**2
        loss = same * squared
        loss += (1 - same) * hinge
        return loss.mean()


def make_pairs(count, length):
    """Pairs of noisy sines; a pair is positive when both have the same frequency."""
    t = torch.linspace(0, 6.28, length)
    frequencies = [1, 2, 3]
    first, second, same = [], [], []
    for i in range(count):
        f, g = frequencies[i % 3], frequencies[(i // 2) % 3]
        first += [torch.sin(f * t)]
        second += [torch.sin(g * t + 0.1)]
        same += [float(f == g)]
    return torch.stack(first).unsqueeze(1), torch.stack(second).unsqueeze(1), torch.tensor(same)


def main():
    torch.manual_seed(48)
    branch = Branch(3)
    a, b, same = make_pairs(6, 8)
    loss = ContrastiveLoss()(branch(a), branch(b), same)
    loss.backward()
    return {"loss": loss.detach(), "same": same, **{name: p.grad for name, p in branch.named_parameters()}}


if __name__ == "__main__":
    print(main()["loss"])
