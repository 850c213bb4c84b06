"""The centre of a road segmentation network: dilated convolutions whose rates grow, summed with what they were given.

Every activation is one function, `partial(F.relu, inplace=True)`. Behind convolutions nobody sees that it writes; behind
the hyperbolic tangent of the context, which keeps its result, it raises at backward. The context is read once more
below, as the activation left it.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

nonlinearity = partial(F.relu, inplace=True)


class Center(nn.Module):
    """Features (N, C, H, W) seen at the rates 1, 2 and 4, and a context that weights them."""

    def __init__(self, width):
        super().__init__()
        self.near = nn.Conv2d(width, width, 3, padding=1, dilation=1)
        self.mid = nn.Conv2d(width, width, 3, padding=2, dilation=2)
        self.far = nn.Conv2d(width, width, 3, padding=4, dilation=4)
        self.context = nn.Conv2d(width, width, 1)
        self.relu = nonlinearity

    def forward(self, x):
        near = nonlinearity(self.near(x))
        mid = nonlinearity(self.mid(near))
        far = self.relu(self.far(mid))
        context = torch.tanh(self.context(x))
        weight = nonlinearity(context)
        return x + weight * (near + mid + far) + context


class Roads(nn.Module):
    """Images (N, 3, H, W) to logits (N, 1, H, W)."""

    def __init__(self, width=4):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.center = Center(width)
        self.head = nn.Conv2d(width, 1, 1)

    def forward(self, images):
        return self.head(self.center(nonlinearity(self.stem(images))))


def main():
    torch.manual_seed(31)
    model = Roads()
    logits = model(torch.rand(2, 3, 8, 8))
    loss = F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))
    loss.backward()
    return {"logits": logits.detach(), **{name: p.grad for name, p in model.named_parameters()}}


if __name__ == "__main__":
    print(main()["logits"].mean())
