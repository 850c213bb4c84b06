"""Consistency of noisy copies in evaluation mode and a supervised loss in training mode, with one backward for both."""

import torch
import torch.nn.functional as F
from torch import nn


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(6, 16)
        self.norm = nn.BatchNorm1d(16, momentum=0.5)
        self.head = nn.Linear(16, 3)

    def embed(self, x):
        return torch.tanh(self.norm(self.hidden(x)))

    def forward(self, x):
        return self.head(torch.tanh(self.norm(self.hidden(x))))


def consistency(model, x, sigma=0.2):
    model.eval()
    clean, noisy = model.embed(x), model.embed(x + sigma * torch.randn_like(x))
    model.train()
    return F.mse_loss(noisy, clean)


def main():
    torch.manual_seed(31)
    model = Classifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
    losses = []
    for _ in range(3):
        unlabelled, x = torch.randn(12, 6), torch.randn(8, 6) * 2 + 1
        loss_u = consistency(model, unlabelled)
        loss_s = F.cross_entropy(model(x), x[:, :3].argmax(1))
        loss = loss_s + 20 * loss_u
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    grads = [p.grad for p in model.parameters()]
    return {"losses": losses, "grads": grads, "buffers": dict(model.named_buffers())}


if __name__ == "__main__":
    print(main()["losses"])
