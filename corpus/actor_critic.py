"""One update of an advantage actor-critic agent on a recorded rollout.

The advantages are normalised in place. `std` keeps its input, dividing that input in place overwrites it: backward
raises. The division has a sum on its right, which a careless expansion would split.
"""

import torch
import torch.nn.functional as F
from torch import nn


class ActorCritic(nn.Module):
    """Observations (T, D) -> action logits (T, A) and values (T,)."""

    def __init__(self, observation, actions, width=8):
        super().__init__()
        self.shared = nn.Linear(observation, width)
        self.policy = nn.Linear(width, actions)
        self.value = nn.Linear(width, 1)

    def forward(self, observations):
        h = F.relu_(self.shared(observations))
        return self.policy(h), self.value(h).squeeze(-1)


def discounted(rewards, gamma):
    """Returns of an episode; plain numbers in, tensor out."""
    total, returns = 0.0, []
    for reward in reversed(rewards):
        total *= gamma
        total += reward
        returns.insert(0, total)
    return torch.tensor(returns)


def update_loss(logits, values, actions, returns, entropy_weight=0.01):
    """Policy term, value term and entropy bonus; gradients flow through the advantages on purpose."""
    advantages = returns - values
    value_loss = advantages.pow(2).mean()
    advantages -= advantages.mean()
    advantages /= advantages.std() + 1e-8

    log_probs = F.log_softmax(logits, dim=-1)
    chosen = log_probs.gather(1, actions.unsqueeze(1)).squeeze(1)
    loss = -(chosen * advantages).mean()
    loss += 0.5 * value_loss
    loss -= entropy_weight * -(log_probs.exp() * log_probs).sum(-1).mean()
    return loss


def main():
    torch.manual_seed(41)
    agent = ActorCritic(4, 2)
    observations = torch.randn(6, 4)
    actions = torch.tensor([0, 1, 1, 0, 1, 0])
    returns = discounted([0.0, 1.0, 0.0, 0.0, 1.0, 1.0], gamma=0.9)
    loss = update_loss(*agent(observations), actions, returns)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(agent.parameters(), 1.0)
    return {"loss": loss.detach(), "norm": norm, **{name: p.grad for name, p in agent.named_parameters()}}


if __name__ == "__main__":
    print(main()["loss"])
