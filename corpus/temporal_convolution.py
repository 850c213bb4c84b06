"""A temporal convolutional network with gated activations (WaveNet style) and skip sums.

`tanh` keeps its output, which the gate is multiplied onto in place: backward raises. The in-place ReLU of the head
works on the running sum of the skips, and the sum itself is an augmented assignment that starts at the number zero.
"""

import torch
from torch import nn


class GatedLayer(nn.Module):
    """Causal dilated convolution with gate: (N, C, T) -> residual (N, C, T), skip (N, S, T)."""

    def __init__(self, channels, skip, dilation):
        super().__init__()
        self.padding = 2 * dilation
        self.conv = nn.Conv1d(channels, 2 * channels, 3, padding=self.padding, dilation=dilation)
        self.residual = nn.Conv1d(channels, channels, 1)
        self.skip = nn.Conv1d(channels, skip, 1)

    def forward(self, x):
        pre = self.conv(x)[..., : -self.padding]
        filtered, gate = pre.chunk(2, dim=1)
        z = torch.tanh(filtered)
        z *= torch.sigmoid(gate)
        out = self.residual(z)
        out += x
        return out, self.skip(z)


class WaveNet(nn.Module):
    """(N, 1, T) -> next-sample logits (N, K, T)."""

    def __init__(self, channels=4, skip=6, classes=5, depth=3):
        super().__init__()
        self.inp = nn.Conv1d(1, channels, 1)
        self.layers = nn.ModuleList(GatedLayer(channels, skip, 2**i) for i in range(depth))
        self.head = nn.Sequential(nn.ReLU(True), nn.Conv1d(skip, skip, 1), nn.ReLU(True), nn.Conv1d(skip, classes, 1))

    def forward(self, wave):
        x = self.inp(wave)
        total = 0
        for layer in self.layers:
            x, skip = layer(x)
            total += skip
        return self.head(total)


def quantise(wave, classes):
    """Amplitudes in [-1, 1] to class indices."""
    levels = (wave + 1) / 2 * classes
    levels.floor_().clamp_(0, classes - 1)
    return levels.long().squeeze(1)


def main():
    torch.manual_seed(67)
    net = WaveNet()
    wave = torch.sin(torch.linspace(0, 9, 12)).view(1, 1, -1).repeat(2, 1, 1)
    wave[1].neg_()
    logits = net(wave)
    loss = nn.functional.cross_entropy(logits[..., :-1], quantise(wave, 5)[:, 1:])
    loss.backward()
    grads = {name: p.grad for name, p in net.named_parameters() if p.grad is not None}
    return {"logits": logits.detach(), **grads}


if __name__ == "__main__":
    print(main()["logits"].shape)
