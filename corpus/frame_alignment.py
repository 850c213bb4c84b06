"""A duration model of speech: which frames belong to which sound, by a table of positive energies.

The energies are turned, so that each frame has a row, and what is padding gets nothing. The exponential has kept its
result for backward, which the masked fill overwrites: it raises. What `masked_fill` gives lies in rows, whatever the
table looked like; without a run only the same op on a clone is known to give the very same sums further down.
"""

import torch
from torch import nn


class Aligner(nn.Module):
    """Sounds (N, S, D) and frames (N, T, D) to what each frame is made of (N, T, D), and durations (N, S)."""

    def __init__(self, width):
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)

    def forward(self, sounds, frames, lengths):
        keys, queries = self.key(sounds), self.query(frames)
        energy = torch.exp(keys @ queries.transpose(1, 2) / keys.shape[-1])
        weights = energy.transpose(1, 2)
        padding = torch.arange(sounds.shape[1])[None, None, :] >= lengths[:, None, None]
        weights.masked_fill_(padding, 0.0)
        weights = weights / weights.sum(2, keepdim=True)
        return weights @ self.value(sounds), weights.sum(1)


def duration_loss(durations, wanted, lengths):
    """Mean over sounds of the squared difference of logarithms; padding counts nothing."""
    inside = torch.arange(durations.shape[1])[None, :] < lengths[:, None]
    difference = torch.log1p(durations) - torch.log1p(wanted)
    return (difference * inside).square().sum() / inside.sum()


def main():
    torch.manual_seed(47)
    model = Aligner(6)
    sounds, frames = torch.randn(2, 5, 6), torch.randn(2, 9, 6)
    lengths = torch.tensor([5, 3])
    mixed, durations = model(sounds, frames, lengths)
    loss = (mixed - frames).abs().mean() + duration_loss(durations, torch.full((2, 5), 2.0), lengths)
    loss.backward()
    return {"mixed": mixed.detach(), "loss": loss.detach(), **{name: p.grad for name, p in model.named_parameters()}}


if __name__ == "__main__":
    print(main()["loss"])
