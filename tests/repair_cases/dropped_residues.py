"""Stochastic depth by hand: whole samples of a residue are dropped one by one, and its gate was saved."""

import torch
from torch import nn


def drop_path(residue, keep, rate):
    kept = 0
    for i, sample in enumerate(residue.unbind(0)):
        if keep[i]:
            sample.div_(1 - rate)
            kept += 1
        else:
            sample.zero_()
    return kept


class Block(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.gate = nn.Linear(size, size)
        self.kept = []

    def forward(self, x, keep):
        residue = torch.sigmoid(self.gate(x))
        self.kept.append(drop_path(residue, keep, rate=0.2))
        return x + residue


def objective(blocks, x):
    for block in blocks:
        x = block(x, keep=[True, False, True, True])
    return x.square().mean()


def main():
    torch.manual_seed(9)
    blocks = nn.ModuleList([Block(3), Block(3)])
    x = torch.randn(4, 3, requires_grad=True)
    loss = objective(blocks, x)
    loss.backward()
    gradients = {name: parameter.grad for name, parameter in blocks.named_parameters()}
    return {"loss": loss.detach(), "x": x.grad, "kept": torch.tensor([block.kept for block in blocks]), **gradients}


if __name__ == "__main__":
    print(main()["loss"])
