"""Greedy decoding: tokens and masks are integers and booleans, written in the test of a loop and slot by slot."""

import torch
from torch import nn


class Decoder(nn.Module):
    """Predicts the next token of each sequence from its last one."""

    def __init__(self, tokens: int, width: int):
        super().__init__()
        self.embedding = nn.Embedding(tokens, width)
        self.head = nn.Linear(width, tokens)

    def forward(self, token: torch.Tensor) -> torch.Tensor:
        return self.head(torch.tanh(self.embedding(token)))


def decode(model: Decoder, first: torch.Tensor, end: int, longest: int) -> torch.Tensor:
    tokens = torch.zeros(len(first), longest, dtype=torch.long)
    tokens[:, 0] = first
    done = first == end
    last = 0
    while not done.logical_or_(tokens[:, last] == end).all() and last + 1 < longest:
        last += 1
        tokens[:, last] = model(tokens[:, last - 1]).argmax(dim=1)
    return tokens[:, : last + 1]


def main():
    torch.manual_seed(5)
    model = Decoder(6, 4)
    tokens = decode(model, torch.tensor([0, 3, 4]), end=2, longest=7)
    loss = nn.functional.cross_entropy(model(tokens[:, :-1].reshape(-1)), tokens[:, 1:].reshape(-1))
    loss.backward()
    return {"tokens": tokens, "loss": loss.detach(), **{f"grad.{n}": p.grad for n, p in model.named_parameters()}}


if __name__ == "__main__":
    print(main()["tokens"])
