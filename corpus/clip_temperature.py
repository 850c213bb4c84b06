"""Image-text contrastive training with a learnable temperature.

The temperature parameter is clamped inside the forward pass with gradients on: torch refuses to write a leaf that
requires grad. The cure is a `no_grad` block (the clamp is a state update, no part of the function), not a new value.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn


class TwoTowers(nn.Module):
    """Images (N, D), texts (N, E) -> similarity logits (N, N)."""

    def __init__(self, image, text, dim):
        super().__init__()
        self.image = nn.Linear(image, dim, bias=False)
        self.text = nn.Linear(text, dim, bias=False)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, images, texts):
        self.log_scale.clamp_(max=math.log(100))
        a = F.normalize(self.image(images), dim=-1)
        b = F.normalize(self.text(texts), dim=-1)
        logits = a @ b.t()
        logits *= self.log_scale.exp()
        return logits


def clip_loss(logits):
    """Cross entropy over rows and over columns."""
    labels = torch.arange(len(logits))
    loss = F.cross_entropy(logits, labels)
    loss += F.cross_entropy(logits.t(), labels)
    return loss / 2


def main():
    torch.manual_seed(59)
    model = TwoTowers(5, 4, 3)
    images, texts = torch.randn(4, 5), torch.randn(4, 4)
    texts[:, 0] += images[:, 0]
    loss = clip_loss(model(images, texts))
    loss.backward()
    return {"loss": loss.detach(), **{name: p.grad for name, p in model.named_parameters()}}


if __name__ == "__main__":
    print(main()["loss"])
