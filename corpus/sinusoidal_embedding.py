"""Token embedding with sinusoidal positions in front of a one-layer encoder.

It finishes and its gradients are right: scaling by a number and adding a buffer keep nothing. The two augmented
assignments are in-place writes to a tracked value all the same.
"""

import math

import torch
from torch import nn


class PositionalEmbedding(nn.Module):
    """Token indices (N, T) -> (N, T, D)."""

    def __init__(self, vocabulary, dim, max_len=32):
        super().__init__()
        self.dim = dim
        self.embed = nn.Embedding(vocabulary, dim)
        position = torch.arange(max_len, dtype=torch.float32).unsqueeze(1)
        rate = torch.exp(torch.arange(0, dim, 2) * (-math.log(10000.0) / dim))
        table = torch.zeros(max_len, dim)
        table[:, 0::2] = torch.sin(position * rate)
        table[:, 1::2] = torch.cos(position * rate)
        self.register_buffer("table", table)

    def forward(self, tokens):
        x = self.embed(tokens)
        x *= math.sqrt(self.dim)
        x += self.table[: tokens.shape[1]]
        return x


class Classifier(nn.Module):
    """Embedding, one encoder layer, mean over time, linear head."""

    def __init__(self, vocabulary=20, dim=8, classes=2):
        super().__init__()
        self.embedding = PositionalEmbedding(vocabulary, dim)
        self.encoder = nn.TransformerEncoderLayer(dim, 2, dim_feedforward=12, dropout=0.0, batch_first=True)
        self.head = nn.Linear(dim, classes)

    def forward(self, tokens):
        return self.head(self.encoder(self.embedding(tokens)).mean(dim=1))


def main():
    torch.manual_seed(23)
    model = Classifier()
    tokens = torch.randint(0, 20, (3, 7))
    logits = model(tokens)
    loss = nn.functional.cross_entropy(logits, torch.tensor([0, 1, 1]))
    loss.backward()
    return {"logits": logits.detach(), **{name: p.grad for name, p in model.named_parameters()}}


if __name__ == "__main__":
    print(main()["logits"])
