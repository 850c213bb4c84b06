"""Iterated gradient sign attack; the adversarial image is a leaf whose gradient is read in every round."""

import torch
from torch import nn


def objective(model, image, label):
    return nn.functional.cross_entropy(model(image), label)


def attack(model, image, label, rounds, size):
    adversarial = image.clone()
    adversarial += 0.01 * torch.randn_like(adversarial)
    adversarial.requires_grad_(True)
    losses = []
    for _ in range(rounds):
        loss = objective(model, adversarial, label)
        loss.backward()
        adversarial += size * adversarial.grad.sign()
        adversarial.grad.zero_()
        losses.append(loss.item())
    return adversarial.detach(), losses


def main():
    torch.manual_seed(53)
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(48, 4))
    model.requires_grad_(False)
    image, label = torch.rand(1, 1, 6, 6), torch.tensor([1])
    adversarial, losses = attack(model, image, label, rounds=3, size=0.05)
    clipped = adversarial.clone()
    clipped.clamp_(0, 1)
    return {"losses": losses, "adversarial": adversarial, "clipped": clipped, "logits": model(clipped)}


if __name__ == "__main__":
    print(main()["losses"])
