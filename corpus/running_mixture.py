"""A mixture that a nested function goes on scaling in place, in the variable of the function around it.

exp has kept the mixture, and the last reader stands outside the nested function.
"""

import torch
from torch import nn


class Mixture(nn.Module):
    """(N, D) -> (N, D)"""

    def __init__(self, dim):
        super().__init__()
        self.score = nn.Linear(dim, dim)
        self.decay = nn.Parameter(torch.full((dim,), 0.9))

    def forward(self, x):
        mixture = self.score(x).exp()
        total = mixture.sum(-1, keepdim=True)
        steps = {"taken": 0}
        steps["taken"] += 1

        def fade(times):
            """Scale the mixture down."""
            for _ in range(times):
                mixture.mul_(self.decay)  # a little less

        fade(steps["taken"])
        fade(2)
        return mixture / total


def main():
    torch.manual_seed(23)
    mixture = Mixture(3)
    out = mixture(torch.randn(4, 3))
    loss = out.square().mean()
    loss.backward()
    return {"out": out.detach(), **{n: p.grad for n, p in mixture.named_parameters()}}


if __name__ == "__main__":
    print(main()["out"])
