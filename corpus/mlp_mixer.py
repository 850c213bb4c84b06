"""An MLP-Mixer for tiny images.

LayerNorm keeps its input, the stream `x`; adding the token-mixing branch onto the stream in place overwrites it, and
backward raises. The stream is the argument of the block, which its only caller binds anew at once.
"""

import torch
import torch.nn.functional as F
from torch import nn


class FeedForward(nn.Module):
    """Two linear layers with a GELU; the last dimension is kept."""

    def __init__(self, dim, hidden):
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, inputs):
        return self.fc2(F.gelu(self.fc1(inputs)))


class MixerBlock(nn.Module):
    """(N, P, C) -> (N, P, C): mixes over patches, then over channels."""

    def __init__(self, patches, channels):
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.norm2 = nn.LayerNorm(channels)
        self.tokens = FeedForward(patches, 2 * patches)
        self.channels = FeedForward(channels, 2 * channels)

    def forward(self, x):
        y = self.norm1(x).transpose(1, 2)
        x += self.tokens(y).transpose(1, 2)
        x += self.channels(self.norm2(x))
        return x


class Mixer(nn.Module):
    """(N, 1, 8, 8) -> class logits (N, K), with 4x4 patches."""

    def __init__(self, channels=6, depth=2, classes=3):
        super().__init__()
        self.embed = nn.Conv2d(1, channels, 4, stride=4)
        self.blocks = nn.ModuleList(MixerBlock(4, channels) for _ in range(depth))
        self.head = nn.Linear(channels, classes)

    def forward(self, images):
        x = self.embed(images).flatten(2).transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean(dim=1))


def main():
    torch.manual_seed(13)
    model = Mixer()
    logits = model(torch.randn(3, 1, 8, 8))
    loss = F.cross_entropy(logits, torch.tensor([0, 2, 1]))
    loss.backward()
    return {"logits": logits.detach(), **{n: p.grad for n, p in model.named_parameters()}}


if __name__ == "__main__":
    print(main()["logits"])
