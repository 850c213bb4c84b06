"""Cross entropy with label smoothing, as found in many translation repositories.

`log_softmax` keeps its output; weighting the log-probabilities in place overwrites it, and backward raises. The
smoothed target distribution is built in place as well, under no gradient: that part is fine.
"""

import torch
import torch.nn.functional as F
from torch import nn

PAD = 0


class LabelSmoothing(nn.Module):
    """logits (N, C), target (N,) of class indices; positions equal to PAD do not count."""

    def __init__(self, classes, smoothing=0.1):
        super().__init__()
        self.classes = classes
        self.smoothing = smoothing
        self.confidence = 1.0 - smoothing

    def distribution(self, target):
        with torch.no_grad():
            dist = torch.empty(target.shape[0], self.classes)
            dist.fill_(self.smoothing / (self.classes - 2))
            dist.scatter_(1, target.unsqueeze(1), self.confidence)
            dist[:, PAD] = 0
            dist[target == PAD] = 0
        return dist

    def forward(self, logits, target):
        log_probs = F.log_softmax(logits, dim=-1)
        log_probs *= self.distribution(target)
        per_token = log_probs.sum(dim=-1)
        per_token *= -1
        tokens = (target != PAD).sum()
        return per_token.sum() / tokens


def main():
    torch.manual_seed(9)
    embedding = nn.Embedding(11, 6, padding_idx=PAD)
    projection = nn.Linear(6, 11)
    criterion = LabelSmoothing(11)
    source = torch.tensor([3, 5, 7, 2, 0])
    target = torch.tensor([5, 7, 2, 9, 0])

    losses = []
    for smoothing in (0.1, 0.2):
        criterion.smoothing = smoothing
        loss = criterion(projection(embedding(source)), target)
        loss.backward()
        losses += [loss.item()]
    return {
        "losses": losses,
        "embedding.grad": embedding.weight.grad,
        "projection.grad": projection.weight.grad,
        "bias.grad": projection.bias.grad,
    }


if __name__ == "__main__":
    print(main()["losses"])
