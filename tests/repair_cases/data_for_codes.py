"""Latent codes are rounded for storage through `.data` after the loss has used them."""

import torch
from torch import nn


class Coder(nn.Module):
    def __init__(self, inputs, latent):
        super().__init__()
        self.encode = nn.Linear(inputs, latent)
        self.decode = nn.Linear(latent, inputs)
        self.scale = nn.Parameter(torch.full((latent,), 2.0))

    def forward(self, x):
        code = self.encode(x)
        return self.decode(code * self.scale), code


def to_storage(code):
    code.data.mul_(8).round_().clamp_(-127, 127)
    return code.detach().to(torch.int8)


def main():
    torch.manual_seed(73)
    coder = Coder(4, 2)
    optimizer = torch.optim.Adam(coder.parameters(), lr=1e-2)
    x = torch.randn(5, 4)
    x.clamp_(-2, 2)
    losses, stored = [], []
    for _ in range(2):
        decoded, code = coder(x)
        loss = (decoded - x).square().mean() + 0.01 * code.square().sum()
        stored.append(to_storage(code))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "stored": stored, "grads": [p.grad for p in coder.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
