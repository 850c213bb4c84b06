"""One critic step of a Wasserstein GAN with gradient penalty.

The norm of the input gradients keeps its result; turning that result into (norm - 1)^2 in place overwrites it, and the
second backward, through the gradient, raises.
"""

import torch
from torch import nn


class Critic(nn.Module):
    """(N, D) -> scores (N,)."""

    def __init__(self, dim, width):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(dim, width),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Linear(width, width),
            nn.LeakyReLU(0.2, True),
            nn.Linear(width, 1),
        )

    def forward(self, x):
        return self.net(x).squeeze(1)


def penalty(critic, real, fake):
    """Mean squared deviation from one of the gradient norm on random interpolates."""
    alpha = torch.rand(real.shape[0], 1)
    mixed = real * alpha
    mixed += fake * (1 - alpha)
    mixed.requires_grad_(True)
    scores = critic(mixed)
    (grads,) = torch.autograd.grad(scores.sum(), mixed, create_graph=True)
    deviation = grads.flatten(1).norm(2, dim=1)
    deviation -= 1
    deviation **= 2
    return deviation.mean()


def main():
    torch.manual_seed(21)
    critic = Critic(4, 8)
    generator = nn.Linear(2, 4)
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-3)
    history = []
    for _ in range(2):
        real = torch.randn(6, 4)
        real += 2.0
        with torch.no_grad():
            fake = generator(torch.randn(6, 2))
            fake.clamp_(-3, 3)
        loss = critic(fake).mean() - critic(real).mean()
        loss = loss + 10.0 * penalty(critic, real, fake)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    return {"history": history, **{name: p.grad for name, p in critic.named_parameters()}}


if __name__ == "__main__":
    print(main()["history"])
