"""Policy and value on one trunk, which both optimizers step, each at its own rate."""

import torch
from torch import nn


class Agent(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 8), nn.ReLU(inplace=True))
        self.policy, self.value = nn.Linear(8, 2), nn.Linear(8, 1)

    def forward(self, state):
        seen = self.trunk(state)
        return self.policy(seen), self.value(seen).squeeze(-1)


def discounted(rewards, rate=0.9):
    total, found = 0.0, []
    for reward in reversed(rewards.tolist()):
        total = reward + rate * total
        found.insert(0, total)
    found = torch.tensor(found)
    found -= found.mean()
    return found


def main():
    torch.manual_seed(86)
    agent = Agent()
    slow = torch.optim.Adam([*agent.trunk.parameters(), *agent.policy.parameters()], lr=0.01)
    fast = torch.optim.Adam([*agent.trunk.parameters(), *agent.value.parameters()], lr=0.03)
    states, rewards = torch.randn(6, 3), torch.randn(6)
    logits, values = agent(states)
    policy = torch.distributions.Categorical(logits=logits)
    chosen = policy.sample()
    advantage = discounted(rewards) - values
    value_loss = advantage.square().mean()
    policy_loss = -(policy.log_prob(chosen) * advantage.detach()).mean()

    fast.zero_grad()
    value_loss.backward(retain_graph=True)
    fast.step()

    slow.zero_grad()
    policy_loss.backward()
    slow.step()
    return {"losses": [value_loss.detach(), policy_loss.detach()], "weights": agent.state_dict()}


if __name__ == "__main__":
    print(main()["losses"])
