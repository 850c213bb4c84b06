"""Attention pooling over padded sequences: weights are masked after the softmax and brought back to sum one."""

import torch
from torch import nn


class Pool(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.score = nn.Linear(size, 1)
        self.value = nn.Linear(size, size)

    def forward(self, x, mask):
        weights = self.score(x).squeeze(-1).softmax(dim=1)
        weights *= mask
        weights /= weights.sum(dim=1, keepdim=True)
        return (weights.unsqueeze(-1) * self.value(x)).sum(dim=1), weights


def padding_mask(lengths, longest):
    mask = torch.zeros(len(lengths), longest)
    for row, length in enumerate(lengths):
        mask[row, :length] = 1.0
    return mask


def main():
    torch.manual_seed(4)
    pool, head = Pool(5), nn.Linear(5, 1)
    optimizer = torch.optim.Adam([*pool.parameters(), *head.parameters()])
    x, y = torch.randn(3, 7, 5), torch.randn(3, 1)
    mask = padding_mask([7, 4, 2], 7)
    total = torch.zeros(())
    for _ in range(2):
        pooled, weights = pool(x, mask)
        loss = (head(pooled) - y).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.detach()
    return {"total": total, "weights": weights, "score": pool.score.weight, "grad": pool.score.weight.grad}


if __name__ == "__main__":
    print(main()["total"])
