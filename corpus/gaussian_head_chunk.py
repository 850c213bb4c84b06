"""A stochastic policy with a squashed Gaussian head.

`chunk` gives several views of one tensor, and autograd allows none of them to be written in place: clamping the
log-deviation dies in the forward pass.
"""

import math

import torch
from torch import nn


class GaussianPolicy(nn.Module):
    """Observations (N, D) -> bounded actions (N, A) and their log-probabilities (N,)."""

    def __init__(self, observation, action, width=8):
        super().__init__()
        self.hidden = nn.Linear(observation, width)
        self.out = nn.Linear(width, 2 * action)

    def forward(self, observations, noise):
        h = torch.relu(self.hidden(observations))
        mean, log_std = self.out(h).chunk(2, dim=-1)
        log_std.clamp_(-5.0, 2.0)
        raw = mean + log_std.exp() * noise
        action = torch.tanh(raw)
        log_prob = -0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi)
        log_prob = log_prob - torch.log(1 - action**2 + 1e-6)
        return action, log_prob.sum(-1)


class Critic(nn.Module):
    """State-action value (N,)."""

    def __init__(self, observation, action):
        super().__init__()
        self.linear = nn.Linear(observation + action, 1)

    def forward(self, observations, action):
        return self.linear(torch.cat([observations, action], dim=-1)).squeeze(-1)


def main():
    torch.manual_seed(57)
    policy, critic = GaussianPolicy(4, 2), Critic(4, 2)
    observations = torch.randn(5, 4)
    noise = torch.randn(5, 2)
    noise.clamp_(-2, 2)
    temperature = 0.2
    action, log_prob = policy(observations, noise)
    loss = (temperature * log_prob - critic(observations, action)).mean()
    loss.backward()
    return {"action": action.detach(), "loss": loss.detach(), **{n: p.grad for n, p in policy.named_parameters()}}


if __name__ == "__main__":
    print(main()["action"])
