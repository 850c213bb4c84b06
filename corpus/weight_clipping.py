"""A Wasserstein critic whose weights are clipped between its forward and its backward pass.

The clipping goes through `.data`, so nothing raises; but the backward pass multiplies by the clipped weights of the
second layer instead of those that the forward pass has used: the gradients of the first layer are silently wrong. The
clipping belongs behind the optimizer step; it is a state update, and no out-of-place form of the line means the same.
"""

import torch
from torch import nn


class Critic(nn.Module):
    """(N, D) -> (N,)."""

    def __init__(self, dim, width):
        super().__init__()
        self.first = nn.Linear(dim, width)
        self.second = nn.Linear(width, 1)

    def forward(self, x):
        return self.second(nn.functional.leaky_relu(self.first(x), 0.2)).squeeze(1)


def clip_weights(model, bound):
    """Keep every weight within [-bound, bound]; returns how many were outside."""
    outside = 0
    for p in model.parameters():
        outside += int((p.detach().abs() > bound).sum())
        p.data.clamp_(-bound, bound)
    return outside


def critic_loss(critic, real, fake):
    """Negative estimate of the Wasserstein distance, with a small pull towards zero scores."""
    scores = torch.cat([critic(real), critic(fake)])
    drift = scores.square().mean()
    signs = torch.ones(len(scores))
    signs[: len(real)] *= -1
    return (signs * scores).mean() + 1e-3 * drift


def main():
    torch.manual_seed(60)
    critic = Critic(3, 5)
    optimizer = torch.optim.RMSprop(critic.parameters(), lr=1e-3)
    real, fake = torch.randn(6, 3), torch.randn(6, 3)
    real += 1.0
    loss = critic_loss(critic, real, fake)
    outside = clip_weights(critic, bound=0.1)
    optimizer.zero_grad()
    loss.backward()
    grads = {f"{name}.grad": p.grad.clone() for name, p in critic.named_parameters()}
    optimizer.step()
    return {"loss": loss.detach(), "outside": outside, **grads}


if __name__ == "__main__":
    print(main()["outside"], "weights clipped")
