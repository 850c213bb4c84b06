"""Sense-aware skip-gram: every word has several vectors, mixed by attention to the context.

Values of in-place calls are used here: the weights are a second name for the exponentiated scores, the mixed senses one
for the senses. `exp_` keeps its result, the normalisation overwrites it: backward raises.
"""

import torch
import torch.nn.functional as F
from torch import nn


class SenseEmbedding(nn.Module):
    """Centre words (N,) and context words (N, C) -> log-likelihood of the contexts (N,)."""

    def __init__(self, vocabulary, senses, dim):
        super().__init__()
        self.centre = nn.Parameter(torch.randn(vocabulary, senses, dim) * 0.3)
        self.context = nn.Embedding(vocabulary, dim)

    def forward(self, words, contexts):
        around = self.context(contexts)
        sense = self.centre[words]
        scores = torch.einsum("nsd,nd->ns", sense, around.mean(dim=1))
        weights = scores.exp_()
        entropy = (weights * weights.log()).sum()
        weights /= weights.sum(dim=1, keepdim=True)
        mixed = sense.mul_(weights.unsqueeze(2))
        vector = mixed.sum(dim=1)
        logits = torch.einsum("nd,ncd->nc", vector, around)
        return F.logsigmoid(logits).sum(dim=1), entropy


def count_pairs(sentences, window):
    """Centre and context indices from lists of word indices; contexts are padded with word 0."""
    words, contexts = [], []
    for sentence in sentences:
        for i, word in enumerate(sentence):
            near = sentence[max(0, i - window) : i] + sentence[i + 1 : i + 1 + window]
            near += [0] * (2 * window - len(near))
            words.append(word)
            contexts.append(near)
    return torch.tensor(words), torch.tensor(contexts)


def main():
    torch.manual_seed(69)
    model = SenseEmbedding(vocabulary=8, senses=2, dim=4)
    words, contexts = count_pairs([[1, 2, 3, 4], [5, 6, 7]], window=1)
    loglik, entropy = model(words, contexts)
    loss = -loglik.mean() + 1e-3 * entropy
    loss.backward()
    return {"loglik": loglik.detach(), **{name: p.grad for name, p in model.named_parameters()}}


if __name__ == "__main__":
    print(main()["loglik"])
