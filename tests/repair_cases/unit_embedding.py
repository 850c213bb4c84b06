"""Metric learning: embeddings are centred, scaled to unit length and compared by cosine similarity."""

import torch
import torch.nn.functional as F
from torch import nn

EPS = 1e-6


class Encoder(nn.Module):
    def __init__(self, inputs, size):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(inputs, 16), nn.ReLU(inplace=True), nn.Linear(16, size))

    def forward(self, x):
        z = self.net(x)
        z -= z.mean(dim=0)
        z /= z.norm(dim=1, keepdim=True) + EPS
        return z


def contrastive(left, right, temperature=0.2):
    logits = left @ right.t()
    logits /= temperature
    labels = torch.arange(len(left))
    return 0.5 * (F.cross_entropy(logits, labels) + F.cross_entropy(logits.t(), labels))


def main():
    torch.manual_seed(3)
    encoder = Encoder(6, 4)
    optimizer = torch.optim.SGD(encoder.parameters(), lr=0.1)
    data = torch.randn(5, 6)
    losses = []
    for _ in range(2):
        loss = contrastive(encoder(data), encoder(data + 0.1 * torch.randn_like(data)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "embedding": encoder(data), "grads": [p.grad for p in encoder.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
