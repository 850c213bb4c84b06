"""Actor and critic with their own optimizers; the advantage feeds both losses."""

import torch
from torch import nn


class Actor(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 2))

    def forward(self, state):
        return torch.distributions.Categorical(logits=self.net(state), validate_args=False)


def main():
    torch.manual_seed(65)
    actor = Actor()
    critic = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 1))
    actor_optimizer = torch.optim.SGD(actor.parameters(), lr=0.3)
    critic_optimizer = torch.optim.SGD(critic.parameters(), lr=0.3)
    history = []
    for _ in range(2):
        states, rewards = torch.randn(5, 3), torch.randn(5)
        rewards -= rewards.mean()
        policy = actor(states)
        actions = policy.sample()
        advantage = rewards - critic(states).squeeze(1)
        critic_loss = advantage.square().mean()
        critic_optimizer.zero_grad()
        critic_loss.backward(retain_graph=True)
        critic_optimizer.step()
        actor_loss = -(policy.log_prob(actions) * advantage).mean()
        actor_optimizer.zero_grad()
        actor_loss.backward()
        actor_optimizer.step()
        history.append((critic_loss.item(), actor_loss.item()))
    return {"history": history, "actor": actor.state_dict(), "critic": critic.state_dict()}


if __name__ == "__main__":
    print(main()["history"])
