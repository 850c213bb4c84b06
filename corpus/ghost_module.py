"""Ghost convolutions whose activation is passed in as a class and built with `inplace=True`.

Behind a batch norm the activation does no harm. The gate is a sigmoid, which keeps its output, and the activation that
cuts it writes into that: backward raises.
"""

import torch
from torch import nn
from torch.nn import functional as F


class GhostModule(nn.Module):
    """(N, C, H, W) -> (N, 2 C', H, W): half of the channels are made from the other half."""

    def __init__(self, in_channels, channels, act_layer=nn.ReLU):
        super().__init__()
        self.primary = nn.Sequential(
            nn.Conv2d(in_channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            act_layer(inplace=True),
        )
        self.cheap = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
            nn.BatchNorm2d(channels),
            act_layer(inplace=True),
        )

    def forward(self, x):
        kept = self.primary(x)
        return torch.cat([kept, self.cheap(kept)], dim=1)


class Gate(nn.Module):
    """(N, C, H, W) -> the same: channels that are open by less than a half are closed."""

    def __init__(self, channels, act_layer):
        super().__init__()
        self.fc = nn.Linear(channels, channels)
        self.cut = act_layer(inplace=True)

    def forward(self, x):
        open_by = torch.sigmoid(self.fc(x.mean(dim=(2, 3))))
        open_by = self.cut(open_by)
        return x * open_by[:, :, None, None]


class Net(nn.Module):
    """(N, 1, H, W) -> (N, classes)."""

    def __init__(self, channels=3, classes=2):
        super().__init__()
        self.ghost = GhostModule(1, channels)
        self.gate = Gate(2 * channels, nn.Softplus if classes > 9 else nn.ReLU6)
        self.head = nn.Linear(2 * channels, classes)

    def forward(self, images):
        return self.head(self.gate(self.ghost(images)).mean(dim=(2, 3)))


def main():
    torch.manual_seed(81)
    net = Net()
    logits = net(torch.randn(4, 1, 6, 6))
    loss = F.cross_entropy(logits, torch.tensor([0, 1, 1, 0]))
    loss.backward()
    return {"logits": logits.detach(), **{name: p.grad for name, p in net.named_parameters()}}


if __name__ == "__main__":
    print(main()["logits"])
