"""Masks and running sums around a table of alignments, none of which autograd has to do with.

The padding of a batch is filled in before the model sees it, lengths are summed up as whole numbers, and the hard
alignment is read off under `no_grad`.
"""

import torch
from torch import nn


class HardAligner(nn.Module):
    """Frames (N, T, D) and sounds (N, S, D) to the number of frames of each sound (N, S)."""

    def __init__(self, width):
        super().__init__()
        self.score = nn.Linear(width, width)

    def forward(self, frames, sounds):
        return self.score(frames) @ sounds.transpose(1, 2)

    @torch.no_grad()
    def durations(self, frames, sounds, lengths):
        weights = torch.exp(self(frames, sounds)).transpose(1, 2)
        padding = torch.arange(sounds.shape[1])[None, :, None] >= lengths[:, None, None]
        weights.masked_fill_(padding, 0.0)
        best = weights.argmax(1)
        counts = torch.zeros(sounds.shape[0], sounds.shape[1], dtype=torch.long)
        counts.scatter_add_(1, best, torch.ones_like(best))
        counts.cumsum_(1)
        return counts


def padded(rows, width):
    """A list of (T_i, D) as one (N, T, D), zeros behind."""
    batch = torch.zeros(len(rows), width, rows[0].shape[1])
    for number, row in enumerate(rows):
        batch[number, : len(row)] = row
    return batch


def main():
    torch.manual_seed(48)
    model = HardAligner(4)
    frames = padded([torch.randn(6, 4), torch.randn(8, 4)], 8)
    sounds = padded([torch.randn(3, 4), torch.randn(2, 4)], 3)
    ends = model.durations(frames, sounds, torch.tensor([3, 2]))
    loss = torch.softmax(model(frames, sounds), 2).square().mean()
    loss.backward()
    return {"ends": ends, "loss": loss.detach(), **{name: p.grad for name, p in model.named_parameters()}}


if __name__ == "__main__":
    print(main()["ends"])
