"""A densely connected block whose layers reuse their input through underscore functions.

Layers concatenate what came before. `relu_` on the concatenation is harmless (a fresh tensor), `elu_` on the output of
the sigmoid transition overwrites what `sigmoid` has kept: backward raises.
"""

import torch
import torch.nn.functional as fn
from torch import nn, relu_


class DenseLayer(nn.Module):
    """Adds `growth` channels to a list of feature maps."""

    def __init__(self, cin, growth):
        super().__init__()
        self.norm = nn.BatchNorm2d(cin)
        self.conv = nn.Conv2d(cin, growth, 3, padding=1, bias=False)

    def forward(self, features):
        stacked = torch.cat(features, dim=1)
        return self.conv(relu_(self.norm(stacked)))


class DenseBlock(nn.Module):
    """(N, C, H, W) -> (N, C + depth * growth, H, W)."""

    def __init__(self, cin, growth, depth):
        super().__init__()
        self.layers = nn.ModuleList(DenseLayer(cin + i * growth, growth) for i in range(depth))

    def forward(self, x):
        features = [x]
        for layer in self.layers:
            features += [layer(features)]
        return torch.cat(features, dim=1)


class Net(nn.Module):
    """Stem, dense block, sigmoid transition, centred activation, head."""

    def __init__(self, classes=3):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.dense = DenseBlock(4, growth=2, depth=2)
        self.transition = nn.Conv2d(8, 5, 1)
        self.head = nn.Linear(5, classes)

    def forward(self, images):
        x = self.dense(self.stem(images))
        gate = torch.sigmoid(self.transition(x))
        pooled = gate.mean(dim=(2, 3))
        fn.elu_(gate, 0.5)
        contrast = fn.leaky_relu_(gate.amax(dim=(2, 3)) - pooled, 0.1)
        return self.head(pooled + contrast)


def main():
    torch.manual_seed(38)
    net = Net()
    logits = net(torch.randn(2, 1, 6, 6))
    loss = fn.cross_entropy(logits, torch.tensor([2, 0]))
    loss.backward()
    return {"logits": logits.detach(), **{name: p.grad for name, p in net.named_parameters()}}


if __name__ == "__main__":
    print(main()["logits"])
