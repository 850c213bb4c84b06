"""Greedy decoding with a preallocated cache of keys and values, in inference mode."""

import torch
from torch import nn


class Cached(nn.Module):
    """One attention layer over the tokens so far; (N,) token -> (N, V) logits."""

    def __init__(self, vocabulary, dim, longest):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, dim)
        self.project = nn.Linear(dim, 3 * dim)
        self.head = nn.Linear(dim, vocabulary)
        self.longest, self.dim = longest, dim

    @torch.inference_mode()
    def decode(self, start, steps):
        keys = torch.zeros(len(start), self.longest, self.dim)
        values = torch.zeros(len(start), self.longest, self.dim)
        tokens = torch.zeros(len(start), steps, dtype=torch.long)
        token = start
        for i in range(steps):
            q, k, v = self.project(self.embed(token)).chunk(3, dim=-1)
            keys[:, i], values[:, i] = k, v
            scores = torch.einsum("nd,nld->nl", q, keys[:, : i + 1])
            scores /= self.dim**0.5
            scores.sub_(scores.amax(dim=1, keepdim=True)).exp_()
            scores.div_(scores.sum(dim=1, keepdim=True))
            token = self.head(torch.einsum("nl,nld->nd", scores, values[:, : i + 1])).argmax(dim=1)
            tokens[:, i] = token
        return tokens


def main():
    torch.manual_seed(55)
    model = Cached(7, 4, 5)
    return {"tokens": model.decode(torch.tensor([1, 2]), 4).clone()}


if __name__ == "__main__":
    print(main())
