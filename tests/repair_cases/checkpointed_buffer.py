"""A checkpointed block reads a buffer that the model anneals after each call; the recomputation reads the new value."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class Annealed(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.enter, self.leave = nn.Linear(size, size), nn.Linear(size, size)
        self.register_buffer("temperature", torch.tensor(2.0))

    def block(self, x):
        return torch.tanh(self.enter(x) / self.temperature).square()

    def forward(self, x):
        h = checkpoint(self.block, x, use_reentrant=False)
        self.temperature.mul_(0.7)
        return self.leave(h)


def main():
    torch.manual_seed(77)
    model = Annealed(3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    x, y = torch.randn(4, 3), torch.randn(4, 3)
    losses = []
    for _ in range(2):
        loss = (model(x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "temperature": model.temperature, "grads": [p.grad for p in model.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
