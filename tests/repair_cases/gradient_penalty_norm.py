"""WGAN-GP critic update: the norm of the input gradient is moved to distance from one before it is squared."""

import torch
from torch import nn


def critic_net():
    return nn.Sequential(nn.Linear(3, 12), nn.Tanh(), nn.Linear(12, 1))


def gradient_penalty(critic, real, fake, weight=10.0):
    alpha = torch.rand(real.size(0), 1)
    between = alpha * real + (1 - alpha) * fake
    between.requires_grad_(True)
    scores = critic(between)
    grads = torch.autograd.grad(scores.sum(), between, create_graph=True)[0]
    norm = grads.view(grads.size(0), -1).norm(2, dim=1)
    norm -= 1
    penalty = (norm**2).mean()
    penalty *= weight
    return penalty


def main():
    torch.manual_seed(7)
    critic, generator = critic_net(), nn.Linear(2, 3)
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-3, betas=(0.5, 0.9))
    record = []
    for _ in range(2):
        real = torch.randn(4, 3)
        real[:, 0].mul_(0.5)
        fake = generator(torch.randn(4, 2)).detach()
        optimizer.zero_grad()
        loss = critic(fake).mean() - critic(real).mean()
        penalty = gradient_penalty(critic, real, fake)
        loss += penalty
        loss.backward()
        optimizer.step()
        record.append({"loss": loss.item(), "penalty": penalty.item()})
    return {"record": record, "grads": [p.grad for p in critic.parameters()], "first": critic[0].weight}


if __name__ == "__main__":
    print(main()["record"])
