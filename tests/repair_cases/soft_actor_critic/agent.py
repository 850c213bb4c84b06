"""Policy and action value with one optimizer each."""

import torch
from torch import nn


class Agent:
    def __init__(self, state, action, temperature=0.1):
        self.policy = nn.Sequential(nn.Linear(state, 6), nn.ReLU(inplace=True), nn.Linear(6, action))
        self.q = nn.Sequential(nn.Linear(state + action, 6), nn.ReLU(inplace=True), nn.Linear(6, 1))
        self.policy_optimizer = torch.optim.SGD(self.policy.parameters(), lr=0.3)
        self.q_optimizer = torch.optim.SGD(self.q.parameters(), lr=0.3)
        self.temperature = temperature

    def value(self, state, action):
        return self.q(torch.cat((state, action), dim=1))

    def q_loss(self, batch):
        return (self.value(batch["state"], batch["action"]) - batch["reward"]).square().mean()

    def policy_loss(self, batch):
        action = torch.tanh(self.policy(batch["state"]))
        return (self.temperature * action.square().sum(dim=1, keepdim=True) - self.value(batch["state"], action)).mean()

    def update(self, batch):
        q_loss = self.q_loss(batch)
        policy_loss = self.policy_loss(batch)
        self.q_optimizer.zero_grad()
        q_loss.backward()
        self.q_optimizer.step()
        self.policy_optimizer.zero_grad()
        policy_loss.backward()
        self.policy_optimizer.step()
        return q_loss.item(), policy_loss.item()
