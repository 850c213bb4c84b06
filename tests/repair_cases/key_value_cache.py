"""Decoder that trains through its key and value cache: slots are written as the tokens come."""

import torch
from torch import nn


class Cached(nn.Module):
    def __init__(self, size, longest):
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(size, size) for _ in range(3))
        self.longest, self.size = longest, size

    def forward(self, x):
        n, steps, _ = x.shape
        keys = torch.zeros(n, self.longest, self.size)
        values = torch.zeros(n, self.longest, self.size)
        outputs = []
        for t in range(steps):
            keys[:, t] = self.k(x[:, t])
            values[:, t] = self.v(x[:, t])
            scores = (self.q(x[:, t])[:, None] @ keys[:, : t + 1].transpose(1, 2)) * self.size**-0.5
            outputs.append(scores.softmax(dim=-1) @ values[:, : t + 1])
        return torch.cat(outputs, dim=1)


def main():
    torch.manual_seed(35)
    model = Cached(4, longest=8)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    x, y = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    losses = []
    for _ in range(2):
        out = model(x)
        loss = (out - y).square().mean()
        loss += 1e-3 * out.abs().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "out": out, "grads": [p.grad for p in model.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
