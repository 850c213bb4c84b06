"""Adversarial training in the order of many old scripts: both losses first, then one player after the other."""

import torch
import torch.nn.functional as F
from torch import nn


def player(inputs, outputs):
    return nn.Sequential(nn.Linear(inputs, 8), nn.LeakyReLU(0.2, inplace=True), nn.Linear(8, outputs))


def verdict(discriminator, samples, real):
    logits = discriminator(samples)
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


def main():
    torch.manual_seed(64)
    generator, discriminator = player(3, 2), player(2, 1)
    optimizer_g = torch.optim.SGD(generator.parameters(), lr=0.5)
    optimizer_d = torch.optim.SGD(discriminator.parameters(), lr=0.5)
    history = []
    for _ in range(2):
        real = torch.randn(6, 2)
        real += 1.0
        fake = generator(torch.randn(6, 3))
        loss_d = verdict(discriminator, real, True) + verdict(discriminator, fake.detach(), False)
        loss_g = verdict(discriminator, fake, True)

        optimizer_d.zero_grad()
        loss_d.backward()
        optimizer_d.step()

        optimizer_g.zero_grad()
        loss_g.backward()
        optimizer_g.step()
        history.append((loss_d.item(), loss_g.item()))
    return {"history": history, "generator": generator.state_dict(), "discriminator": discriminator.state_dict()}


if __name__ == "__main__":
    print(main()["history"])
