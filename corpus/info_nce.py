"""SimCLR's contrastive loss (NT-Xent) over two augmented views.

`norm` keeps its input and its result; dividing the embeddings in place overwrites the input, and backward raises.
"""

import torch
import torch.nn.functional as F
from torch import nn


class Encoder(nn.Module):
    """Small projection network: (N, D) -> (N, P)."""

    def __init__(self, dim, hidden, out):
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.bn = nn.BatchNorm1d(hidden)
        self.fc2 = nn.Linear(hidden, out)

    def forward(self, x):
        return self.fc2(F.relu(self.bn(self.fc1(x)), inplace=True))


def nt_xent(a, b, temperature=0.2):
    """a, b: (N, P) projections of two views of the same N samples; returns a scalar."""
    n = a.shape[0]
    z = torch.cat([a, b])
    z /= z.norm(dim=1, keepdim=True)
    logits = z @ z.t()
    logits /= temperature
    logits.fill_diagonal_(-1e9)

    targets = torch.arange(2 * n)
    targets += n
    targets %= 2 * n
    return F.cross_entropy(logits, targets)


def augment(x, generator):
    """Additive noise and feature dropping; inputs are data, no gradient flows here."""
    noisy = x + 0.1 * torch.randn(x.shape, generator=generator)
    noisy[torch.rand(x.shape, generator=generator) < 0.1] = 0.0
    return noisy


def main():
    torch.manual_seed(7)
    generator = torch.Generator().manual_seed(7)
    encoder = Encoder(8, 16, 6)
    x = torch.randn(5, 8)
    loss = nt_xent(encoder(augment(x, generator)), encoder(augment(x, generator)))
    loss.backward()
    grads = {f"grad.{name}": p.grad for name, p in encoder.named_parameters()}
    return {"loss": loss.detach(), **grads, "running_mean": encoder.bn.running_mean}


if __name__ == "__main__":
    print(f"NT-Xent {main()['loss']:.4f}")
