"""Integer and boolean tensors written through views, helpers and loops: no gradient flows to any of them."""

import torch
from torch import nn


def shift(tokens, by):
    """Move tokens along, in place."""
    tokens[1:] = tokens[:-1].clone()
    tokens[0] = by


class Tagger(nn.Module):
    """(T,) tokens -> (T, K) scores, with padded ones masked."""

    def __init__(self, vocabulary, classes):
        super().__init__()
        self.table = nn.Embedding(vocabulary, classes)

    def forward(self, tokens, length):
        keep = torch.ones(len(tokens), dtype=torch.bool)
        tail = keep[length:]
        tail &= False
        return self.table(tokens) * keep.unsqueeze(1)


def main():
    torch.manual_seed(75)
    tokens = torch.arange(5)
    rows = tokens.view(5, 1)
    rows += 1
    shift(tokens, 0)
    for position in range(2):
        tokens[position] += 1
    tagger = Tagger(8, 3)
    out = tagger(tokens, 4)
    out.sum().backward()
    return {"out": out.detach(), "tokens": tokens, "table": tagger.table.weight.grad}


if __name__ == "__main__":
    print(main()["tokens"])
