"""A helper that clips the scores it is given in place, and returns how many it has clipped.

The sigmoid has kept the scores, and the caller goes on with them: they have to come back beside the count.
"""

import torch
from torch import nn


def clip(scores, limit):
    over = (scores > limit).float().mean()
    scores.clamp_(max=limit)  # nobody needs more
    return over


class Scorer(nn.Module):
    """(N, D) -> (N, K) scores between 0 and a limit."""

    def __init__(self, dim, classes):
        super().__init__()
        self.linear = nn.Linear(dim, classes)

    def forward(self, x):
        return torch.sigmoid(self.linear(x))


def main():
    torch.manual_seed(11)
    scorer = Scorer(5, 3)
    scores = scorer(torch.randn(6, 5))
    counts = {"batches": 0}
    counts["batches"] += 1
    share = clip(scores, 0.6)
    loss = scores.square().mean()
    spare = clip(scorer(torch.randn(2, 5)), 0.5) * counts["batches"]
    loss.backward()
    return {"loss": loss.detach(), "share": share, "spare": spare, "weight": scorer.linear.weight.grad}


if __name__ == "__main__":
    print(main()["loss"])
