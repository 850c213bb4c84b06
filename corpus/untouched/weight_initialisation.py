"""Weight initialisation in the styles one meets: `nn.init`, `.data`, `no_grad`, `reset_parameters`."""

import math

import torch
from torch import nn
from torch.nn import init


def weights_init(module):
    """The DCGAN recipe, applied with `Module.apply`."""
    name = module.__class__.__name__
    if name.find("Conv") != -1:
        module.weight.data.normal_(0.0, 0.02)
        if module.bias is not None:
            module.bias.data.zero_()
    elif name.find("BatchNorm") != -1:
        module.weight.data.normal_(1.0, 0.02)
        module.bias.data.fill_(0)
    elif isinstance(module, nn.Linear):
        init.kaiming_uniform_(module.weight, a=math.sqrt(5))
        init.zeros_(module.bias)


class Scale(nn.Module):
    """Learned scale per channel."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))
        self.reset_parameters()

    def reset_parameters(self):
        init.ones_(self.weight)
        with torch.no_grad():
            self.bias.uniform_(-0.1, 0.1)
            self.bias[0] = 0.0
            self.bias *= 0.5

    def forward(self, x):
        return x * self.weight[:, None, None] + self.bias[:, None, None]


def main():
    torch.manual_seed(5)
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), Scale(3), nn.Flatten(), nn.Linear(48, 2))
    net.apply(weights_init)
    stds = [p.std().item() for p in net.parameters() if p.dim() > 1]
    out = net(torch.randn(2, 1, 6, 6))
    out.sum().backward()
    return {"stds": stds, "out": out.detach(), "grad": net[0].weight.grad}


if __name__ == "__main__":
    print(main()["stds"])
