"""Negative log-likelihood of a linear-chain CRF on top of an embedding.

The partition function runs in log space: `logsumexp` keeps its result, which is then used as the accumulator for the
emission scores (`scores += ...`), and backward raises.
"""

import torch
from torch import nn


class CRF(nn.Module):
    """emissions (T, N, K), tags (T, N) -> scalar, the mean negative log-likelihood."""

    def __init__(self, tags):
        super().__init__()
        self.start = nn.Parameter(torch.empty(tags))
        self.transitions = nn.Parameter(torch.empty(tags, tags))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.1, 0.1)

    def numerator(self, emissions, tags):
        batch = torch.arange(tags.shape[1])
        score = self.start[tags[0]]
        score = score + emissions[0, batch, tags[0]]
        for t in range(1, len(tags)):
            score += self.transitions[tags[t - 1], tags[t]]
            score += emissions[t, batch, tags[t]]
        return score

    def partition(self, emissions):
        scores = self.start + emissions[0]
        for emission in emissions[1:]:
            scores = torch.logsumexp(scores.unsqueeze(2) + self.transitions, dim=1)
            scores += emission
        return torch.logsumexp(scores, dim=1)

    def forward(self, emissions, tags):
        nll = self.partition(emissions)
        nll -= self.numerator(emissions, tags)
        return nll.mean()


def main():
    torch.manual_seed(11)
    embed = nn.Embedding(10, 4)
    crf = CRF(4)
    words = torch.randint(0, 10, (5, 3))
    tags = torch.randint(0, 4, (5, 3))
    loss = crf(embed(words), tags)
    loss.backward()
    grads = {f"crf.{name}": parameter.grad for name, parameter in crf.named_parameters()}
    return {"loss": loss.detach(), "embedding.grad": embed.weight.grad, **grads}


if __name__ == "__main__":
    for name, value in main().items():
        print(name, tuple(value.shape))
