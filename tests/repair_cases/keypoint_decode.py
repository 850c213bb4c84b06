"""Decoding of keypoint maps: offsets go through a sigmoid and are scaled to pixels, confidences stay."""

import torch
from torch import nn


class KeypointHead(nn.Module):
    def __init__(self, channels, points, stride):
        super().__init__()
        self.conv = nn.Conv2d(channels, 3 * points, 1)
        self.stride = stride

    def forward(self, features):
        n, _, h, w = features.shape
        raw = self.conv(features).view(n, -1, 3, h, w)
        ys, xs = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        y = raw.sigmoid()
        y[:, :, 0] = (y[:, :, 0] + xs) * self.stride
        y[:, :, 1] = (y[:, :, 1] + ys) * self.stride
        return y


def loss_of(decoded, wanted, visible):
    position = (decoded[:, :, :2] - wanted).abs().mean()
    confidence = decoded[:, :, 2].clamp(1e-4, 1 - 1e-4)
    return 0.01 * position - (visible * confidence.log()).mean()


def main():
    torch.manual_seed(27)
    head = KeypointHead(4, 2, stride=8)
    optimizer = torch.optim.Adam(head.parameters(), lr=1e-2)
    features = torch.randn(2, 4, 3, 3)
    wanted, visible = torch.rand(2, 2, 2, 3, 3) * 24, torch.ones(2, 2, 3, 3)
    visible[0, 0] = 0
    losses = []
    for _ in range(2):
        decoded = head(features)
        loss = loss_of(decoded, wanted, visible)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "decoded": decoded, "grads": [p.grad for p in head.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
