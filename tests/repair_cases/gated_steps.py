"""A recurrent classifier that gates each time step before its cell sees it."""

import torch
from torch import nn


class Gated(nn.Module):
    def __init__(self, inputs, hidden, classes):
        super().__init__()
        self.enter = nn.Linear(inputs, hidden)
        self.gate = nn.Parameter(torch.full((hidden,), 0.5))
        self.cell = nn.RNNCell(hidden, hidden)
        self.out = nn.Linear(hidden, classes)

    def forward(self, x):
        h = torch.zeros(len(x), self.cell.hidden_size)
        energy = 0.0
        for step in self.enter(x).unbind(dim=1):
            step *= self.gate
            h = self.cell(step, h)
            energy = energy + step.square().mean()
        return self.out(h), energy


def objective(model, x, labels):
    logits, energy = model(x)
    loss = nn.functional.cross_entropy(logits, labels)
    loss += 0.01 * energy
    return loss


def main():
    torch.manual_seed(42)
    model = Gated(2, 4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, labels = torch.randn(3, 5, 2), torch.tensor([0, 1, 2])
    losses = []
    for _ in range(2):
        loss = objective(model, x, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "gate": model.gate, "grads": [p.grad for p in model.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
