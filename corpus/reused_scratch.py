"""A Gaussian latent layer that is proud of allocating nothing: every intermediate is used again as scratch space.

The scale comes from `torch.exp`, which keeps its output. That tensor then serves as the buffer for the noise
(`normal_`), its square is cleared and refilled, and the score is transposed in place although a product has kept it.
Backward raises on the first of them.
"""

import torch
from torch import nn


class Scratch(nn.Module):
    """(N, D) -> samples (N, Z), KL divergence (N,), similarity of the means (N, N)."""

    def __init__(self, size, latent):
        super().__init__()
        self.mean = nn.Linear(size, latent)
        self.log_scale = nn.Linear(size, latent)

    def forward(self, x):
        mu = self.mean(x)
        scale = torch.exp(self.log_scale(x))
        spread = scale * mu.abs()
        variance = scale * scale
        kl = 0.5 * (mu.square() + variance - variance.log() - 1).sum(dim=1)

        scale.normal_()
        sample = mu + spread * scale

        margin = variance.mean()
        weighted = variance * mu
        variance.fill_(0.5)
        prior = (variance * mu).sum()

        score = torch.tanh(mu @ sample.t())
        agreement = score.square().mean()
        score.t_()
        return sample, kl + agreement + margin, score, prior + weighted.sum()


def main():
    torch.manual_seed(8)
    layer = Scratch(4, 3)
    x = torch.randn(5, 4, requires_grad=True)
    sample, kl, score, prior = layer(x)
    loss = sample.square().mean() + 0.1 * kl.mean() + (score * torch.arange(5.0)).mean() + 0.01 * prior
    loss.backward()
    grads = {f"grad.{name}": parameter.grad for name, parameter in layer.named_parameters()}
    return {"sample": sample.detach(), "kl": kl.detach(), "score": score.detach(), "x.grad": x.grad, **grads}


if __name__ == "__main__":
    out = main()
    print(out["sample"].shape, out["kl"])
