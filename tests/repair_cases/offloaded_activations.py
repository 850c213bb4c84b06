"""Activations are offloaded while the graph is built, which also switches the version check off."""

import torch
from torch import nn
from torch.autograd.graph import save_on_cpu


class Mixer(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.gate, self.value, self.out = nn.Linear(size, size), nn.Linear(size, size), nn.Linear(size, 1)

    def forward(self, x):
        g = torch.sigmoid(self.gate(x))
        v = self.value(x)
        v += x
        g += 0.1 * v
        return self.out(g)


def main():
    torch.manual_seed(74)
    mixer = Mixer(4)
    optimizer = torch.optim.SGD(mixer.parameters(), lr=0.1)
    x, y = torch.randn(5, 4), torch.randn(5, 1)
    losses = []
    for _ in range(2):
        with save_on_cpu():
            loss = (mixer(x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "grads": [p.grad for p in mixer.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
