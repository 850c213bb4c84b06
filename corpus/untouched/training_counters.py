"""A training loop whose augmented assignments all work on Python numbers."""

import torch
from torch import nn


def main():
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    running_loss = 0.0
    correct = 0
    seen = 0
    best = float("inf")
    patience = 3
    epochs = 0
    for _ in range(3):
        x = torch.randn(8, 4)
        labels = torch.randint(0, 2, (8,))
        optimizer.zero_grad()
        logits = model(x)
        loss = nn.functional.cross_entropy(logits, labels)
        loss.backward()
        optimizer.step()

        epochs += 1
        running_loss += loss.item() * len(x)
        correct += (logits.argmax(1) == labels).sum().item()
        seen += x.size(0)
        if loss.item() < best:
            best = loss.item()
        else:
            patience -= 1
    running_loss /= seen
    accuracy = 100.0
    accuracy *= correct / seen
    return {"loss": running_loss, "accuracy": accuracy, "patience": patience, "epochs": epochs}


if __name__ == "__main__":
    print(main())
