"""Rotary embedding written into the halves of what it turns."""

import torch
from torch import nn
import torch.nn.functional as F


class Rotary(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.rate = nn.Parameter(torch.linspace(1, 0.1, width // 2))

    def turn(self, x):
        angle = torch.arange(x.shape[1])[:, None] * self.rate
        cos, sin = angle.cos(), angle.sin()
        even, odd = x[..., ::2].clone(), x[..., 1::2]
        x[..., ::2] = even * cos - odd * sin
        x[..., 1::2] = even * sin + odd * cos
        return x

    def forward(self, x):
        q, k = self.turn(self.query(x)), self.turn(self.key(x))
        return (q @ k.transpose(1, 2)).softmax(-1) @ x


def main():
    torch.manual_seed(6)
    net = Rotary(4)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    x = torch.randn(2, 5, 4)
    losses = []
    for _ in range(2):
        loss = net(x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "grads": [p.grad for p in net.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
