"""Self-attention where padded keys are set to zero after the softmax, in one expression."""

import torch
from torch import nn


class Attention(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(size, size, bias=False) for _ in range(3))
        self.scale = size**-0.5

    def forward(self, x, padded):
        scores = self.query(x) @ self.key(x).transpose(1, 2)
        scores.mul_(self.scale)
        scores = scores.masked_fill_(padded[:, :, None], -1.0)
        weights = scores.softmax(dim=-1).masked_fill_(padded[:, None, :], 0.0)
        return weights @ self.value(x), weights


def main():
    torch.manual_seed(24)
    embed, attention = nn.Embedding(10, 4), Attention(4)
    parameters = [*embed.parameters(), *attention.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    tokens = torch.randint(1, 10, (2, 5))
    tokens[1, 3:] = 0
    losses = []
    for _ in range(2):
        out, weights = attention(embed(tokens), tokens == 0)
        loss = (out.mean(dim=1) - 1.0).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "weights": weights, "grads": [p.grad for p in parameters]}


if __name__ == "__main__":
    print(main()["losses"])
