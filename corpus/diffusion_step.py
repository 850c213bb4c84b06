"""One training step of a diffusion model with a learned interpolation of the variance.

The interpolation coefficient comes from a sigmoid, which keeps its output; stretching that output to the range of log
variances in place overwrites it, and backward raises. The schedule is prepared in place without gradient.
"""

import torch
import torch.nn.functional as F
from torch import nn


class Schedule:
    """Linear betas and the quantities derived from them, all of shape (steps,)."""

    def __init__(self, steps):
        betas = torch.linspace(1e-3, 0.2, steps)
        alphas = 1 - betas
        self.alpha_bar = alphas.clone().cumprod_(0)
        previous = torch.ones(steps)
        previous[1:] = self.alpha_bar[:-1]
        posterior = betas * (1 - previous)
        posterior /= 1 - self.alpha_bar
        posterior.clamp_(min=1e-8).log_()
        self.low = posterior
        self.high = betas.log()


class Denoiser(nn.Module):
    """Noisy samples (N, D) and steps (N,) -> predicted noise (N, D) and raw variance (N, D)."""

    def __init__(self, dim, width, steps):
        super().__init__()
        self.time = nn.Embedding(steps, width)
        self.inp = nn.Linear(dim, width)
        self.out = nn.Linear(width, 2 * dim)

    def forward(self, x, t):
        h = self.inp(x)
        h += self.time(t)
        return self.out(F.silu(h, inplace=True)).chunk(2, dim=1)


def training_loss(model, schedule, x0, t, noise):
    """Noise prediction error plus a Gaussian term for the learned variance."""
    bar = schedule.alpha_bar[t, None]
    x_t = x0 * bar.sqrt() + noise * (1 - bar).sqrt()
    eps, raw = model(x_t, t)
    log_var = torch.sigmoid(raw)
    log_var *= schedule.high[t, None] - schedule.low[t, None]
    log_var += schedule.low[t, None]
    error = (eps - noise).square()
    return error.mean() + 0.01 * (log_var + error.detach() * torch.exp(-log_var)).mean()


def main():
    torch.manual_seed(28)
    model = Denoiser(3, 8, steps=10)
    x0, noise = torch.randn(6, 3), torch.randn(6, 3)
    loss = training_loss(model, Schedule(10), x0, torch.randint(1, 10, (6,)), noise)
    loss.backward()
    return {"loss": loss.detach(), **{name: p.grad for name, p in model.named_parameters()}}


if __name__ == "__main__":
    print(main()["loss"])
