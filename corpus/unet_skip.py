"""A two-level U-Net that adds its skip connections instead of concatenating them.

The upsampled features pass a ReLU, which keeps its output, before the skip is added onto them in place: backward
raises. The in-place activations inside the blocks follow a normalisation and do no harm.
"""

import torch
import torch.nn.functional as F
from torch import nn


def block(cin, cout):
    """Convolution, normalisation, activation."""
    return nn.Sequential(
        nn.Conv2d(cin, cout, 3, padding=1, bias=False),
        nn.BatchNorm2d(cout),
        nn.ReLU(inplace=True),
    )


class UNet(nn.Module):
    """(N, 1, H, W) -> (N, 1, H, W); H and W are multiples of four."""

    def __init__(self, width=4):
        super().__init__()
        self.enc1 = block(1, width)
        self.enc2 = block(width, 2 * width)
        self.bottom = block(2 * width, 4 * width)
        self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.up1 = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.dec2 = block(2 * width, 2 * width)
        self.dec1 = block(width, width)
        self.head = nn.Conv2d(width, 1, 1)

    def forward(self, image):
        s1 = self.enc1(image)
        s2 = self.enc2(F.max_pool2d(s1, 2))
        x = self.bottom(F.max_pool2d(s2, 2))

        x = F.relu(self.up2(x))
        x += s2
        x = self.dec2(x)

        x = F.relu(self.up1(x))
        x += s1
        return self.head(self.dec1(x))


def dice_loss(logits, target, eps=1.0):
    """One minus the soft Dice coefficient; logits and target (N, 1, H, W)."""
    p = torch.sigmoid(logits).flatten(1)
    t = target.flatten(1)
    overlap = 2 * (p * t).sum(1) + eps
    return (1 - overlap / (p.sum(1) + t.sum(1) + eps)).mean()


def main():
    torch.manual_seed(4)
    net = UNet()
    image = torch.randn(2, 1, 8, 8)
    target = (torch.rand(2, 1, 8, 8) > 0.5).float()
    logits = net(image)
    loss = dice_loss(logits, target)
    loss.backward()
    out = {"logits": logits.detach(), "loss": loss.detach()}
    out.update((f"grad.{name}", p.grad) for name, p in net.named_parameters())
    return out


if __name__ == "__main__":
    print("dice", main()["loss"].item())
