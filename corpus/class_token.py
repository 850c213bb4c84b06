"""A helper that scales the class token of a batch in place, through a view of the sequence that it is given.

tanh has kept the sequence, and its caller goes on with it: the token has to come back into the sequence, and that out of
the helper.
"""

import torch
from torch import nn


def emphasise(tokens, gain):
    first = tokens[:, 0]
    first.mul_(gain)  # the class token


class Encoder(nn.Module):
    """(N, L, D) -> (N, D)"""

    def __init__(self, dim):
        super().__init__()
        self.linear = nn.Linear(dim, dim)
        self.gain = nn.Parameter(torch.full((dim,), 1.5))

    def forward(self, x):
        return torch.tanh(self.linear(x))


def main():
    torch.manual_seed(8)
    encoder = Encoder(4)
    tokens = encoder(torch.randn(2, 3, 4))
    counts = {"calls": 0}
    counts["calls"] += 1
    emphasise(tokens, encoder.gain)
    loss = tokens.square().mean() / counts["calls"]
    loss.backward()
    return {"loss": loss.detach(), **{n: p.grad for n, p in encoder.named_parameters()}}


if __name__ == "__main__":
    print(main()["loss"])
