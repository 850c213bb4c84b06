"""`inplace=True` that is nobody's flag: a table's method, and a norm's own word; the activation is built with it off."""

import torch
from torch import nn
from torch.nn import functional as F


class Rows:
    """A table of numbers, dropped by value as data frames are."""

    def __init__(self, values):
        self.values = list(values)

    def drop(self, value, inplace=False):
        left = [one for one in self.values if one != value]
        if inplace:
            self.values = left
        return Rows(left)


class Block(nn.Module):
    """(N, C) -> (N, C)."""

    def __init__(self, channels, act_layer=nn.ReLU, gate=F.elu):
        super().__init__()
        self.fc = nn.Linear(channels, channels)
        self.act = act_layer(inplace=False)
        self.gate = gate

    def forward(self, x):
        return self.act(self.fc(x)) + self.gate(x, inplace=False)


def main():
    torch.manual_seed(82)
    rows = Rows([0.5, -1.0, 2.0, -1.0, 1.5])
    rows.drop(-1.0, inplace=True)
    block = Block(3)
    x = torch.tensor([rows.values], requires_grad=True)
    out = block(x)
    out.square().sum().backward()
    return {"out": out.detach(), "x": x.grad, **{name: p.grad for name, p in block.named_parameters()}}


if __name__ == "__main__":
    print(main()["out"])
