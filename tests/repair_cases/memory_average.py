"""Prototype classifier: class prototypes are moving averages of embeddings, carried from step to step."""

import torch
from torch import nn


def classify(embedded, prototypes):
    return -(embedded[:, None] - prototypes[None]).square().sum(dim=2)


def updated(prototypes, embedded, labels, momentum=0.8):
    means = [embedded[labels == index].mean(dim=0) for index in range(len(prototypes))]
    return momentum * prototypes + (1 - momentum) * torch.stack(means)


def main():
    torch.manual_seed(63)
    encoder = nn.Sequential(nn.Linear(3, 6), nn.ReLU(inplace=True), nn.Linear(6, 2))
    optimizer = torch.optim.SGD(encoder.parameters(), lr=0.1)
    prototypes = torch.zeros(2, 2)
    prototypes[1] += 1.0
    labels = torch.tensor([0, 1, 0, 1])
    losses = []
    for _ in range(3):
        embedded = encoder(torch.randn(4, 3) + labels[:, None])
        prototypes = updated(prototypes, embedded, labels)
        loss = nn.functional.cross_entropy(classify(embedded, prototypes), labels)
        optimizer.zero_grad()
        loss.backward(retain_graph=True)
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "prototypes": prototypes, "weights": list(encoder.parameters())}


if __name__ == "__main__":
    print(main()["losses"])
