"""Fine-tuning script that switches the activations of two branches to in-place mode, one by one and in a loop.

The ReLUs of the encoder follow convolutions and do no harm. The ReLU6 of the gate follows an `exp`, which keeps its
output: once it works in place, backward raises.
"""

import torch
from torch import nn


class Gate(nn.Module):
    """Positive, bounded channel gate (N, C)."""

    def __init__(self, channels):
        super().__init__()
        self.linear = nn.Linear(channels, channels)
        self.clip = nn.ReLU6()

    def forward(self, pooled):
        return self.clip(torch.exp(self.linear(pooled)))


class Model(nn.Module):
    """(N, 1, L) -> (N, K)."""

    def __init__(self, channels=4, classes=3):
        super().__init__()
        self.conv1 = nn.Conv1d(1, channels, 3, padding=1)
        self.act1 = nn.ReLU()
        self.conv2 = nn.Conv1d(channels, channels, 3, padding=1)
        self.act2 = nn.ReLU()
        self.gate = Gate(channels)
        self.head = nn.Linear(channels, classes)

    def forward(self, signal):
        x = self.act1(self.conv1(signal))
        x = self.act2(self.conv2(x))
        x = x.mean(dim=-1)
        return self.head(x * self.gate(x))


def build(classes):
    """Model as the fine-tuning script wants it."""
    model = Model(classes=classes)
    for act in (model.act1, model.act2):
        act.inplace = True
    model.gate.clip.inplace = True
    for parameter in model.conv1.parameters():
        parameter.requires_grad_(False)
    return model


def main():
    torch.manual_seed(36)
    model = build(classes=3)
    signal = torch.randn(4, 1, 9)
    logits = model(signal)
    loss = nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 1]))
    loss.backward()
    trained = {n: p.grad for n, p in model.named_parameters() if p.requires_grad}
    return {"logits": logits.detach(), "loss": loss.detach(), **trained}


if __name__ == "__main__":
    print(sorted(main()))
