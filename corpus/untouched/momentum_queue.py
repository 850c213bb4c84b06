"""Momentum contrast: a queue of old keys is a ring buffer, filled without gradient after the loss."""

import torch
import torch.nn.functional as F
from torch import nn


class Queue(nn.Module):
    """(N, D) queries and keys -> contrastive loss against the keys of earlier batches."""

    def __init__(self, dim, length, temperature=0.2):
        super().__init__()
        self.length, self.temperature = length, temperature
        self.register_buffer("keys", F.normalize(torch.randn(length, dim), dim=1))
        self.register_buffer("pointer", torch.zeros(1, dtype=torch.long))

    @torch.no_grad()
    def push(self, keys):
        start = int(self.pointer)
        self.keys[start : start + len(keys)] = keys
        self.pointer[0] = (start + len(keys)) % self.length

    def forward(self, query, key):
        positive = (query * key.detach()).sum(dim=1, keepdim=True)
        negative = query @ self.keys.clone().t()
        logits = torch.cat([positive, negative], dim=1) / self.temperature
        loss = F.cross_entropy(logits, torch.zeros(len(query), dtype=torch.long))
        self.push(key.detach())
        return loss


def main():
    torch.manual_seed(53)
    queue, encoder = Queue(3, 8), nn.Linear(5, 3)
    losses = []
    for _ in range(3):
        x = torch.randn(4, 5)
        query = F.normalize(encoder(x), dim=1)
        key = F.normalize(encoder(x + 0.1), dim=1)
        loss = queue(query, key)
        loss.backward()
        losses.append(loss.item())
    return {"losses": losses, "keys": queue.keys, "grad": encoder.weight.grad}


if __name__ == "__main__":
    print(main()["losses"])
