"""Sequence to sequence with attention and teacher forcing.

The logits of every step are stored into a zero buffer, as in many tutorials; nothing has kept that buffer. The
attention weights are renormalised over the valid positions in place after `softmax` has kept them: backward raises.
"""

import random

import torch
import torch.nn.functional as F
from torch import nn


class Decoder(nn.Module):
    """One step: previous tokens (N,), state (N, H), memory (N, S, H) -> logits (N, V), state (N, H)."""

    def __init__(self, vocabulary, hidden):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, hidden)
        self.cell = nn.GRUCell(2 * hidden, hidden)
        self.out = nn.Linear(hidden, vocabulary)

    def forward(self, tokens, state, memory, valid):
        weights = torch.softmax((memory @ state.unsqueeze(2)).squeeze(2), dim=1)
        weights *= valid
        weights /= weights.sum(dim=1, keepdim=True)
        context = (weights.unsqueeze(1) @ memory).squeeze(1)
        state = self.cell(torch.cat([self.embed(tokens), context], dim=1), state)
        return self.out(state), state


class Seq2Seq(nn.Module):
    """source (N, S), target (N, T) -> logits (T, N, V); step 0 stays zero."""

    def __init__(self, vocabulary=9, hidden=5):
        super().__init__()
        self.vocabulary = vocabulary
        self.embed = nn.Embedding(vocabulary, hidden)
        self.encoder = nn.GRU(hidden, hidden, batch_first=True)
        self.decoder = Decoder(vocabulary, hidden)

    def forward(self, source, target, generator, forcing=0.5):
        memory, last = self.encoder(self.embed(source))
        state = last[0]
        valid = (source != 0).float()
        outputs = torch.zeros(target.shape[1], len(target), self.vocabulary)
        token = target[:, 0]
        forced = 0
        for t in range(1, target.shape[1]):
            logits, state = self.decoder(token, state, memory, valid)
            outputs[t] = logits
            teach = generator.random() < forcing
            forced += teach
            token = target[:, t] if teach else logits.argmax(1)
        return outputs, forced


def main():
    torch.manual_seed(66)
    model = Seq2Seq()
    source = torch.tensor([[3, 4, 5, 0], [6, 2, 0, 0]])
    target = torch.tensor([[1, 5, 4, 2], [1, 2, 6, 2]])
    outputs, forced = model(source, target, random.Random(66))
    loss = F.cross_entropy(outputs[1:].flatten(0, 1), target.t()[1:].flatten())
    loss.backward()
    return {"outputs": outputs.detach(), "forced": forced, **{n: p.grad for n, p in model.named_parameters()}}


if __name__ == "__main__":
    print(main()["forced"], "steps were forced")
