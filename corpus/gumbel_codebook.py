"""A discrete auto-encoder with a Gumbel-softmax codebook and a usage penalty.

The soft assignment is a `softmax` output; clearing unused codes by a store into its columns and scattering the floor
back in overwrites what was kept: backward raises. The usage statistics are gathered without gradient.
"""

import torch
from torch import nn


class GumbelCodebook(nn.Module):
    """(N, D) -> reconstruction (N, D) and assignment (N, K)."""

    def __init__(self, dim, codes, floor=1e-3):
        super().__init__()
        self.to_logits = nn.Linear(dim, codes)
        self.codes = nn.Parameter(torch.randn(codes, dim))
        self.floor = floor
        self.register_buffer("usage", torch.ones(codes))

    @torch.no_grad()
    def track(self, assignment, decay=0.9):
        self.usage.mul_(decay).add_(assignment.mean(dim=0), alpha=1 - decay)

    def forward(self, x, noise, temperature):
        logits = self.to_logits(x)
        logits += noise
        logits /= temperature
        soft = torch.softmax(logits, dim=1)
        self.track(soft.detach())

        rare = (self.usage < 0.935).nonzero().squeeze(1)
        soft[:, rare] = self.floor
        soft.scatter_add_(1, soft.argmin(dim=1, keepdim=True), torch.full((len(x), 1), self.floor))
        return soft @ self.codes, soft


def gumbel(shape, generator):
    """Standard Gumbel noise."""
    u = torch.rand(shape, generator=generator)
    u.clamp_(1e-6, 1 - 1e-6)
    return u.log_().neg_().log_().neg_()


def main():
    torch.manual_seed(70)
    model = GumbelCodebook(3, 4)
    generator = torch.Generator().manual_seed(70)
    x = torch.randn(6, 3)
    recon, soft = model(x, gumbel((6, 4), generator), temperature=0.8)
    loss = (recon - x).square().mean()
    loss = loss + 0.01 * (soft.mean(dim=0) - 0.25).abs().sum()
    loss.backward()
    return {"recon": recon.detach(), "usage": model.usage, **{n: p.grad for n, p in model.named_parameters()}}


if __name__ == "__main__":
    print(main()["usage"])
