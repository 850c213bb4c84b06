"""An external memory with content addressing, erase and add (after the neural Turing machine).

Reading multiplies the attention with the memory, which keeps the memory; erasing and adding in place overwrite it, and
backward raises. The memory is an attribute that `reset` binds to a fresh tensor for every episode.
"""

import torch
from torch import nn


class Memory(nn.Module):
    """Slots (S, W), addressed by a key and a sharpness."""

    def __init__(self, slots, width):
        super().__init__()
        self.initial = nn.Parameter(torch.randn(slots, width) * 0.1)
        self.cells = None
        self.writes = 0

    def reset(self):
        self.cells = self.initial * 1.0
        self.writes = 0

    def address(self, key, sharpness):
        similarity = torch.cosine_similarity(self.cells, key.unsqueeze(0), dim=1)
        return torch.softmax(sharpness * similarity, dim=0)

    def read(self, weight):
        return weight @ self.cells

    def write(self, weight, erase, add):
        self.cells *= 1 - torch.outer(weight, erase)
        self.cells += torch.outer(weight, add)
        self.writes += 1


class Controller(nn.Module):
    """Reads, then writes, once per input vector; returns the reads (T, W)."""

    def __init__(self, inputs, slots, width):
        super().__init__()
        self.memory = Memory(slots, width)
        self.interface = nn.Linear(inputs, 3 * width + 1)

    def forward(self, sequence):
        self.memory.reset()
        reads = []
        for x in sequence:
            raw = self.interface(x)
            key, erase, add = raw[:-1].view(3, -1)
            weight = self.memory.address(key, nn.functional.softplus(raw[-1]))
            reads.append(self.memory.read(weight))
            self.memory.write(weight, torch.sigmoid(erase), torch.tanh(add))
        return torch.stack(reads)


def main():
    torch.manual_seed(32)
    controller = Controller(inputs=3, slots=4, width=5)
    reads = controller(torch.randn(4, 3))
    loss = reads.square().mean()
    loss.backward()
    grads = {name: p.grad for name, p in controller.named_parameters()}
    return {"reads": reads.detach(), "cells": controller.memory.cells.detach(), **grads}


if __name__ == "__main__":
    print(main()["reads"])
