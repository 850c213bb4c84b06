"""Attention maps are scaled for a picture through numpy while training goes on."""

import torch
from torch import nn


class Attention(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(size, size) for _ in range(3))

    def forward(self, x):
        weights = (self.query(x) @ self.key(x).transpose(1, 2)).softmax(dim=-1)
        return weights @ self.value(x), weights


def picture(weights):
    """(N, T, T) -> the first map as an array from 0 to 1."""
    image = weights[0].detach().numpy()
    image -= image.min()
    image /= image.max()
    return image


def main():
    torch.manual_seed(71)
    attention = Attention(3)
    optimizer = torch.optim.SGD(attention.parameters(), lr=0.5)
    x, y = torch.randn(2, 4, 3), torch.randn(2, 4, 3)
    losses, pictures = [], []
    for _ in range(2):
        out, weights = attention(x)
        loss = (out - y).square().mean()
        pictures.append(torch.from_numpy(picture(weights)).clone())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "pictures": pictures, "grads": [p.grad for p in attention.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
