"""Normalisation of an image that carries a learned perturbation, channel by channel as the data loader does it."""

import torch
from torch import nn

MEAN, STD = (0.48, 0.45, 0.40), (0.23, 0.22, 0.22)


def normalise(image):
    for channel, mean, std in zip(image, MEAN, STD):
        channel.sub_(mean).div_(std)
    return image


def objective(model, delta, image, label):
    attacked = (image + delta).clamp(0, 1)
    logits = model(normalise(attacked)[None])
    return nn.functional.cross_entropy(logits, label) - 0.01 * delta.square().sum()


def main():
    torch.manual_seed(41)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(64, 3))
    model.requires_grad_(False)
    image = torch.rand(3, 6, 6)
    preview = normalise(image.clone())
    delta = torch.zeros(3, 6, 6, requires_grad=True)
    label = torch.tensor([2])
    losses = []
    for _ in range(2):
        loss = objective(model, delta, image, label)
        loss.backward()
        with torch.no_grad():
            delta += 0.01 * delta.grad.sign()
            delta.grad.zero_()
        losses.append(loss.item())
    return {"losses": losses, "delta": delta, "preview": preview}


if __name__ == "__main__":
    print(main()["losses"])
