"""Feature norm balancing in a two-branch network, written through `.data` so that "autograd does not complain".

`tanh` keeps its output, and the rescaling changes that output without autograd noticing: the program finishes with
wrong gradients. In the other branch the same idea, spelled as a plain in-place division, is recorded and so is right.
"""

import torch
from torch import nn


class TwoBranch(nn.Module):
    """Audio (N, A) and video (N, V) features -> (N, K) logits."""

    def __init__(self, audio, video, dim, classes):
        super().__init__()
        self.audio = nn.Linear(audio, dim)
        self.video = nn.Linear(video, dim)
        self.head = nn.Linear(2 * dim, classes)

    def forward(self, audio, video):
        a = torch.tanh(self.audio(audio))
        a.data /= a.data.norm(dim=1, keepdim=True)

        v = self.video(video)
        length = v.detach().norm(dim=1, keepdim=True)
        v /= length
        return self.head(torch.cat([a, v], dim=1))


def accuracy(logits, labels):
    """Share of right answers, a float."""
    hits = 0
    for guess, label in zip(logits.argmax(1), labels, strict=True):
        hits += int(guess == label)
    return hits / len(labels)


def main():
    torch.manual_seed(61)
    model = TwoBranch(4, 3, 5, 2)
    audio, video = torch.randn(6, 4), torch.randn(6, 3)
    labels = torch.tensor([0, 1, 0, 1, 1, 0])
    audio[labels == 1] += 1.0
    logits = model(audio, video)
    loss = nn.functional.cross_entropy(logits, labels)
    loss.backward()
    return {
        "logits": logits.detach(),
        "accuracy": accuracy(logits, labels),
        **{name: p.grad for name, p in model.named_parameters()},
    }


if __name__ == "__main__":
    print(main()["accuracy"])
