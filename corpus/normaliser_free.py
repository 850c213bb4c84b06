"""A normaliser-free residual network whose layers are handed in as partials.

Both activations come from partials with `inplace=True`. The one behind the convolution does no harm. The squashing of
the gate is a `tanh`, which keeps its output, and the activation that follows writes into it: backward raises.
"""

from functools import partial

import torch as t
from torch import nn
from torch.nn import functional as F

relu = partial(nn.ReLU, inplace=True)


class StandardisedConv(nn.Conv2d):
    """Convolution whose weight is standardised per output channel."""

    def forward(self, x):
        weight = self.weight
        weight = weight - weight.mean(dim=(1, 2, 3), keepdim=True)
        weight /= weight.std(dim=(1, 2, 3), keepdim=True, unbiased=False).detach() + 1e-4
        return F.conv2d(x, weight, self.bias, padding=self.padding)


class Block(nn.Module):
    """(N, C, H, W) -> (N, C, H, W)."""

    def __init__(self, channels, act_layer, gate_layer, alpha=0.2):
        super().__init__()
        self.conv = StandardisedConv(channels, channels, 3, padding=1)
        self.act = act_layer()
        self.gate = nn.Linear(channels, channels)
        self.squash = nn.Tanh()
        self.open = gate_layer()
        self.alpha = alpha

    def forward(self, x):
        out = self.act(self.conv(x))
        gate = self.squash(self.gate(out.mean(dim=(2, 3))))
        gate = self.open(gate)
        out = out * gate[:, :, None, None]; out *= self.alpha; out += x  # noqa: E702
        return out


class Net(nn.Module):
    """Stem, blocks, head."""

    def __init__(self, channels=4, classes=3, act_layer=relu):
        super().__init__()
        self.stem = nn.Conv2d(1, channels, 3, padding=1)
        gate_layer = partial(nn.CELU, 0.5, inplace=True)
        self.blocks = nn.Sequential(*(Block(channels, act_layer, gate_layer) for _ in range(2)))
        self.head = nn.Linear(channels, classes)

    def forward(self, images):
        return self.head(self.blocks(self.stem(images)).mean(dim=(2, 3)))


def main():
    t.manual_seed(72)
    net = Net()
    logits = net(t.randn(2, 1, 6, 6))
    loss = F.cross_entropy(logits, t.tensor([0, 2]))
    loss.backward()
    return {"logits": logits.detach(), **{name: p.grad for name, p in net.named_parameters()}}


if __name__ == "__main__":
    print(main()["logits"])
