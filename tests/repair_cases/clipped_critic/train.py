"""Wasserstein critic with clipped weights; the clipping is a helper in another file."""

import torch
from clipping import clip_weights
from torch import nn


def objective(critic, real, fake):
    return critic(fake).mean() - critic(real).mean()


def main():
    torch.manual_seed(54)
    critic = nn.Sequential(nn.Linear(2, 6), nn.LeakyReLU(0.2, inplace=True), nn.Linear(6, 1))
    optimizer = torch.optim.RMSprop(critic.parameters(), lr=0.05)
    losses = []
    for _ in range(2):
        real, fake = torch.randn(5, 2), torch.rand(5, 2)
        real[:, 0] += 1.0
        loss = objective(critic, real, fake)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        clip_weights(critic, 0.1)
        losses.append(loss.item())
    return {"losses": losses, "weights": critic.state_dict(), "leaf": critic[0].weight.is_leaf}


if __name__ == "__main__":
    print(main()["losses"])
