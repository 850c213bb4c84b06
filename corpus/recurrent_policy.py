"""Truncated back-propagation through a recurrent policy that resets its state at episode ends.

The state is carried in one preallocated tensor: `copy_` writes the new state into it and `masked_fill_` clears finished
episodes. The recurrent product of the previous step has kept that tensor: backward raises.
"""

import torch
import torch.nn.functional as F
from torch import nn


class RecurrentPolicy(nn.Module):
    """Observations (T, N, D), done flags (T, N) -> logits (T, N, A) and the last state (N, H)."""

    def __init__(self, observation, hidden, actions):
        super().__init__()
        self.hidden_size = hidden
        self.inp = nn.Linear(observation, hidden)
        self.rec = nn.Linear(hidden, hidden, bias=False)
        self.out = nn.Linear(hidden, actions)

    def forward(self, observations, done):
        carry = torch.zeros(observations.shape[1], self.hidden_size)
        logits = []
        for t in range(len(observations)):
            h = torch.tanh(self.inp(observations[t]) + self.rec(carry))
            logits.append(self.out(h))
            carry.copy_(h)
            carry.masked_fill_(done[t].unsqueeze(1), 0.0)
        return torch.stack(logits), carry


def rollout(steps, envs, generator):
    """A recorded batch of observations, actions, returns and episode ends."""
    done = torch.zeros(steps, envs, dtype=torch.bool)
    done[1, 0] = True
    done[steps - 1] = True
    returns = torch.randn(steps, envs, generator=generator)
    returns.sub_(returns.mean()).div_(returns.std())
    return {
        "observations": torch.randn(steps, envs, 3, generator=generator),
        "actions": torch.randint(0, 2, (steps, envs), generator=generator),
        "returns": returns,
        "done": done,
    }


def main():
    torch.manual_seed(68)
    policy = RecurrentPolicy(3, 4, 2)
    batch = rollout(4, 2, torch.Generator().manual_seed(68))
    logits, carry = policy(batch["observations"], batch["done"])
    log_prob = F.log_softmax(logits, dim=-1).gather(2, batch["actions"].unsqueeze(2)).squeeze(2)
    loss = -(log_prob * batch["returns"]).mean()
    loss.backward()
    return {"logits": logits.detach(), "carry": carry.detach(), **{n: p.grad for n, p in policy.named_parameters()}}


if __name__ == "__main__":
    print(main()["logits"].shape)
