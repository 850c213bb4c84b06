"""Cutout, mixup and colour jitter on plain image tensors: data is edited in place, the model is not."""

import torch
import torch.nn.functional as F
from torch import nn


def cutout(images, size):
    """Set a square of every image (N, C, H, W) to its mean."""
    images = images.clone()
    for image in images:
        top, left = (int(v) for v in torch.randint(0, image.shape[-1] - size, (2,)))
        image[:, top : top + size, left : left + size] = image.mean()
    return images


def jitter(images, strength):
    """Scale and shift the channels at random."""
    scale = torch.empty(len(images), images.shape[1], 1, 1).uniform_(1 - strength, 1 + strength)
    shifted = images * scale
    shifted += strength * torch.randn(len(images), 1, 1, 1)
    shifted.clamp_(0, 1)
    return shifted


def main():
    torch.manual_seed(57)
    images = torch.rand(4, 3, 6, 6)
    with torch.no_grad():
        images = jitter(cutout(images, 2), 0.1)
    labels = F.one_hot(torch.tensor([0, 1, 1, 0]), 2).float()
    labels = 0.7 * labels + 0.3 * labels.flip(0)
    net = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 2))
    loss = -(F.log_softmax(net(images), dim=1) * labels).sum(dim=1).mean()
    loss.backward()
    return {"images": images, "loss": loss.detach(), "grad": net[0].weight.grad}


if __name__ == "__main__":
    print(main()["loss"])
