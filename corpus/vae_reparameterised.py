"""A variational auto-encoder on toy vectors.

`torch.exp` keeps its output for the backward pass; the reparameterisation reuses that output as its own buffer:
`std *= eps` and `std += mu` overwrite it, and backward raises.
"""

import torch
import torch.nn.functional as F
from torch import nn


class VAE(nn.Module):
    """(N, D) -> reconstruction logits (N, D), mean and log-variance (N, Z)."""

    def __init__(self, dim=12, hidden=10, latent=3):
        super().__init__()
        self.encode = nn.Linear(dim, hidden)
        self.to_mu = nn.Linear(hidden, latent)
        self.to_logvar = nn.Linear(hidden, latent)
        self.decode = nn.Sequential(nn.Linear(latent, hidden), nn.ReLU(True), nn.Linear(hidden, dim))

    def reparameterise(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        eps = torch.randn_like(std)
        std *= eps
        std += mu
        return std

    def forward(self, x):
        h = torch.tanh(self.encode(x))
        mu, logvar = self.to_mu(h), self.to_logvar(h)
        z = self.reparameterise(mu, logvar)
        return self.decode(z), mu, logvar


def elbo(logits, x, mu, logvar, beta=0.5):
    """Negative evidence lower bound, averaged over the batch."""
    recon = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
    kl = 1 + logvar - mu.pow(2) - logvar.exp()
    kl = kl.sum(1) * -0.5
    return (recon + beta * kl).mean()


def main():
    torch.manual_seed(6)
    model = VAE()
    x = (torch.rand(5, 12) > 0.5).float()
    history = []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        loss = elbo(*step_inputs(model, x))
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    return {"history": history, **{f"grad.{n}": p.grad for n, p in model.named_parameters()}}


def step_inputs(model, x):
    """What the loss wants to see, in its order."""
    logits, mu, logvar = model(x)
    return logits, x, mu, logvar


if __name__ == "__main__":
    print(main()["history"])
