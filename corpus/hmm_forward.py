"""Likelihood of observations under a hidden Markov model with learnable tables.

The forward variables are rows of one buffer. The matrix product keeps row t - 1, writing row t bumps the version of the
whole buffer, and backward raises although no row is ever written twice.
"""

import torch
from torch import nn


class HMM(nn.Module):
    """Tables as unnormalised log-probabilities: start (S,), transition (S, S), emission (S, V)."""

    def __init__(self, states, symbols):
        super().__init__()
        self.start = nn.Parameter(torch.randn(states))
        self.transition = nn.Parameter(torch.randn(states, states))
        self.emission = nn.Parameter(torch.randn(states, symbols))

    def forward(self, observed):
        """observed: (T,) of symbol indices; returns the log-likelihood, a scalar."""
        start = torch.softmax(self.start, dim=0)
        a = torch.softmax(self.transition, dim=1)
        b = torch.softmax(self.emission, dim=1)
        alpha = torch.zeros(len(observed), len(start))
        alpha[0] = start * b[:, observed[0]]
        for t in range(1, len(observed)):
            alpha[t] = (alpha[t - 1] @ a) * b[:, observed[t]]
        total = alpha[-1].sum()
        return total.log()


def simulate(length, symbols, generator):
    """A periodic sequence with a few random symbols in it."""
    sequence = torch.arange(length)
    sequence %= symbols
    flips = torch.rand(length, generator=generator) < 0.2
    sequence[flips] = 0
    return sequence


def main():
    torch.manual_seed(10)
    model = HMM(states=3, symbols=4)
    observed = simulate(9, 4, torch.Generator().manual_seed(10))
    loglik = model(observed)
    loss = -loglik
    loss.backward()
    return {"loglik": loglik.detach(), "observed": observed, **{n: p.grad for n, p in model.named_parameters()}}


if __name__ == "__main__":
    print(f"log-likelihood {main()['loglik'].item():.4f}")
