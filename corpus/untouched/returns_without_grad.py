"""Discounted returns and advantages of recorded rewards: plain tensors, filled backwards in place."""

import torch
from torch import nn


def returns(rewards, discount):
    """(T,) discounted sums to the end."""
    out = torch.zeros_like(rewards)
    running = 0.0
    for t in range(len(rewards) - 1, -1, -1):
        running = float(rewards[t]) + discount * running
        out[t] = running
    return out


@torch.no_grad()
def standardised(values):
    """Mean zero, deviation one."""
    values = values.clone()
    values -= values.mean()
    values /= values.std() + 1e-6
    return values


def main():
    torch.manual_seed(79)
    policy = nn.Linear(3, 2)
    states, actions = torch.randn(5, 3), torch.tensor([0, 1, 1, 0, 1])
    weight = standardised(returns(torch.tensor([0.0, 1.0, 0.0, -1.0, 2.0]), 0.9))
    chosen = torch.log_softmax(policy(states), dim=1).gather(1, actions.unsqueeze(1)).squeeze(1)
    loss = -(chosen * weight).mean()
    loss.backward()
    return {"weight": weight, "loss": loss.detach(), "grad": policy.weight.grad}


if __name__ == "__main__":
    print(main()["weight"])
