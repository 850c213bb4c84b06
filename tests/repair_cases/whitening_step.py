"""Per-feature normalisation written by hand, as in flow-based models, before a coupling layer."""

import torch
from torch import nn


class ActNorm(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(size))
        self.shift = nn.Parameter(torch.zeros(size))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        self.count += 1
        x = x - x.mean(dim=0)
        std = x.std(dim=0)
        std += 1e-4
        x /= std
        scale = self.log_scale.exp()
        out = x * scale
        out += self.shift
        return out, self.log_scale.sum() - std.log().sum()


class Flow(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.embed = nn.Linear(size, size)
        self.norm = ActNorm(size)
        self.coupling = nn.Linear(size // 2, size // 2)

    def forward(self, x):
        z, logdet = self.norm(self.embed(x))
        a, b = z.chunk(2, dim=1)
        b = b + self.coupling(a)
        return torch.cat((a, b), dim=1), logdet


def main():
    torch.manual_seed(5)
    flow = Flow(4)
    optimizer = torch.optim.SGD(flow.parameters(), lr=0.01)
    data = torch.randn(6, 4)
    losses = []
    for _ in range(2):
        z, logdet = flow(data)
        loss = 0.5 * z.square().sum(dim=1).mean() - logdet
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "z": z, "count": flow.norm.count, "grads": [p.grad for p in flow.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
