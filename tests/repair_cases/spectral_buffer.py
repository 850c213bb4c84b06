"""Critic with a hand-written spectral norm: one power iteration in every forward updates the stored vector."""

import torch
import torch.nn.functional as F
from torch import nn


class SpectralLinear(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.register_buffer("u", F.normalize(torch.randn(outputs), dim=0))

    def sigma(self):
        weight = self.linear.weight
        with torch.no_grad():
            v = F.normalize(weight.t() @ self.u, dim=0)
            self.u.copy_(F.normalize(weight @ v, dim=0))
        return torch.dot(self.u, weight @ v)

    def forward(self, x):
        return F.linear(x, self.linear.weight / self.sigma(), self.linear.bias)


def main():
    torch.manual_seed(57)
    critic = nn.Sequential(SpectralLinear(2, 5), nn.LeakyReLU(0.2, inplace=True), SpectralLinear(5, 1))
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-2)
    losses = []
    for _ in range(2):
        real, fake = torch.randn(4, 2), torch.rand(4, 2)
        loss = F.relu(1 - critic(real)).mean() + F.relu(1 + critic(fake)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "u": critic[0].u, "grads": [p.grad for p in critic.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
