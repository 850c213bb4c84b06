"""Beam search on a small language model: lists of hypotheses, and score tensors without gradient."""

import torch
from torch import nn


class Bigram(nn.Module):
    """Next-token log-probabilities from the last token."""

    def __init__(self, vocabulary):
        super().__init__()
        self.table = nn.Embedding(vocabulary, vocabulary)

    def forward(self, tokens):
        return torch.log_softmax(self.table(tokens), dim=-1)


@torch.no_grad()
def beam_search(model, start, steps, width):
    """The `width` best sequences with their scores."""
    beams = [([start], 0.0)]
    for _ in range(steps):
        candidates = []
        for tokens, score in beams:
            log_probs = model(torch.tensor(tokens[-1]))
            log_probs[start] = float("-inf")
            log_probs -= 0.1
            top = log_probs.topk(width)
            for value, index in zip(top.values.tolist(), top.indices.tolist(), strict=True):
                extended = list(tokens)
                extended += [index]
                candidates += [(extended, score + value)]
        candidates.sort(key=lambda item: -item[1])
        beams = candidates[:width]
    return beams


def main():
    torch.manual_seed(26)
    model = Bigram(6)
    beams = beam_search(model, start=0, steps=3, width=2)
    loss = -model(torch.tensor([0, 1])).mean()
    loss.backward()
    return {"beams": [b for b, _ in beams], "scores": [s for _, s in beams], "grad": model.table.weight.grad}


if __name__ == "__main__":
    print(main()["beams"])
