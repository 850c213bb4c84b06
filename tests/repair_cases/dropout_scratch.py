"""Noise masks are drawn into one scratch tensor that all layers of a stack share."""

import torch
from torch import nn


class Stack(nn.Module):
    def __init__(self, size, depth, keep):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(size, size) for _ in range(depth))
        self.keep = keep
        self.register_buffer("scratch", torch.empty(0), persistent=False)

    def mask(self, x):
        if self.scratch.shape != x.shape:
            self.scratch = torch.empty_like(x)
        return self.scratch.bernoulli_(self.keep).div_(self.keep)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
            x = x * self.mask(x)
            x.relu_()
        return x


def main():
    torch.manual_seed(59)
    stack, head = Stack(5, 3, 0.8), nn.Linear(5, 2)
    parameters = [*stack.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-2)
    x, labels = torch.randn(4, 5), torch.tensor([0, 1, 1, 0])
    losses = []
    for _ in range(2):
        loss = nn.functional.cross_entropy(head(stack(x)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "grads": [p.grad for p in parameters], "scratch": stack.scratch}


if __name__ == "__main__":
    print(main()["losses"])
