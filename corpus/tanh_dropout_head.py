"""A tagging head built as one Sequential, with dropout in place right behind a tanh.

`tanh` keeps its output and the in-place dropout multiplies its mask into it: backward raises. The in-place ReLU
behind the first linear layer does no harm.
"""

import torch
from torch import nn


class Tagger(nn.Module):
    """Token indices (N, T) -> tag scores (N, T, K)."""

    def __init__(self, vocabulary, dim, tags, dropout=0.2):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, dim)
        self.rnn = nn.GRU(dim, dim, batch_first=True)
        self.head = nn.Sequential(
            nn.Linear(dim, 2 * dim),
            nn.ReLU(inplace=True),
            nn.Linear(2 * dim, dim),
            nn.Tanh(),
            nn.Dropout(dropout, inplace=True),
            nn.Linear(dim, tags),
        )

    def forward(self, tokens):
        states, _ = self.rnn(self.embed(tokens))
        return self.head(states)


def pad(sequences, value=0):
    """Right-pad index lists to one (N, T) tensor and its mask."""
    longest = max(len(s) for s in sequences)
    tokens = torch.full((len(sequences), longest), value)
    mask = torch.zeros(len(sequences), longest, dtype=torch.bool)
    for row, sequence in enumerate(sequences):
        tokens[row, : len(sequence)] = torch.tensor(sequence)
        mask[row, : len(sequence)] = True
    return tokens, mask


def main():
    torch.manual_seed(37)
    tagger = Tagger(12, 6, 4)
    tokens, mask = pad([[3, 5, 1], [7, 2, 9, 11], [4]])
    scores = tagger(tokens)
    target = tokens % 4
    target[~mask] = -100
    loss = nn.functional.cross_entropy(scores.transpose(1, 2), target, ignore_index=-100)
    loss.backward()
    return {"scores": scores.detach(), "loss": loss.detach(), **{n: p.grad for n, p in tagger.named_parameters()}}


if __name__ == "__main__":
    print(main()["loss"].item())
