"""A one-block language model, and the hook that adapters need when everything below them is frozen."""

import torch
from torch import nn


def inputs_require_grad(module):
    def hook(module, inputs, output):
        output.requires_grad_(True)

    module.register_forward_hook(hook)


class Language(nn.Module):
    def __init__(self, vocabulary, size, longest):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, size)
        self.position = nn.Parameter(0.1 * torch.randn(longest, size))
        self.mix = nn.Linear(size, size)
        self.out = nn.Linear(size, vocabulary)

    def forward(self, tokens):
        h = self.embed(tokens)
        h += self.position[: tokens.size(1)]
        h = torch.relu_(self.mix(h))
        return self.out(h)
