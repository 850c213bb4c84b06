"""Pre-norm transformer encoder layer whose feed-forward residual is added onto the normalised input."""

import math

import torch
from torch import nn


class Layer(nn.Module):
    def __init__(self, size, heads):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(size)
        self.qkv = nn.Linear(size, 3 * size)
        self.proj = nn.Linear(size, size)
        self.norm2 = nn.LayerNorm(size)
        self.up = nn.Linear(size, 2 * size)
        self.down = nn.Linear(2 * size, size)

    def attend(self, x):
        n, t, c = x.shape
        q, k, v = self.qkv(x).view(n, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-1, -2)
        scores /= math.sqrt(c // self.heads)
        return self.proj((scores.softmax(dim=-1) @ v).transpose(1, 2).reshape(n, t, c))

    def forward(self, x):
        x = x + self.attend(self.norm1(x))
        h = self.norm2(x)
        h += self.down(torch.relu(self.up(h)))
        return h


def main():
    torch.manual_seed(2)
    model = nn.Sequential(Layer(8, 2), Layer(8, 2), nn.Linear(8, 5))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    tokens, targets = torch.randn(2, 6, 8), torch.randint(0, 5, (2, 6))
    losses = []
    for _ in range(2):
        loss = nn.functional.cross_entropy(model(tokens).flatten(0, 1), targets.flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "up": model[0].up.weight, "grad": model[0].qkv.weight.grad}


if __name__ == "__main__":
    print(main()["losses"])
