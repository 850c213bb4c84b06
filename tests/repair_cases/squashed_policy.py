"""Gaussian policy squashed by tanh, with the change-of-variables term in its log-probability."""

import math

import torch
import torch.nn.functional as F
from torch import nn


class Policy(nn.Module):
    def __init__(self, state, action):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(state, 8), nn.ReLU(inplace=True))
        self.mean = nn.Linear(8, action)
        self.log_std = nn.Linear(8, action)

    def forward(self, state):
        h = self.body(state)
        mean, log_std = self.mean(h), self.log_std(h).clamp_(-5.0, 2.0)
        noise = torch.randn_like(mean)
        u = mean + log_std.exp() * noise
        log_prob = (-0.5 * noise.square() - log_std - 0.5 * math.log(2 * math.pi)).sum(dim=1)
        log_prob -= (2 * (math.log(2) - u - F.softplus(u * -2))).sum(dim=1)
        regular = 1e-2 * u.square().mean()
        action = u.tanh_()
        return action, log_prob, regular


def main():
    torch.manual_seed(23)
    policy, value = Policy(3, 2), nn.Linear(5, 1)
    value.requires_grad_(False)
    optimizer = torch.optim.Adam(policy.parameters(), lr=3e-3)
    states = torch.randn(6, 3)
    record = []
    for _ in range(2):
        action, log_prob, regular = policy(states)
        q = value(torch.cat((states, action), dim=1)).squeeze(1)
        loss = (0.2 * log_prob - q).mean() + regular
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        record.append((loss.item(), log_prob.mean().item()))
    return {"record": record, "action": action, "grads": [p.grad for p in policy.parameters()]}


if __name__ == "__main__":
    print(main()["record"])
