"""Double Q-learning with illegal actions masked out of a dueling head.

The dueling head builds its values in place; the regulariser has squared them, which keeps them, when the illegal ones
are overwritten by a mask store: backward raises. The targets are computed without gradient, in place as well.
"""

import copy

import torch
from torch import nn


class Dueling(nn.Module):
    """Observations (N, D), illegal (N, A) bool -> action values (N, A) and a size penalty."""

    def __init__(self, dim, actions):
        super().__init__()
        self.hidden = nn.Linear(dim, 8)
        self.value = nn.Linear(8, 1)
        self.advantage = nn.Linear(8, actions)

    def forward(self, observations, illegal):
        h = torch.tanh(self.hidden(observations))
        q = self.advantage(h)
        q -= q.mean(dim=1, keepdim=True)
        q += self.value(h)
        size = q.pow(2).mean()
        q[illegal] = -1e4
        return q, size


def td_target(online, target, batch, gamma):
    """Double-Q bootstrap; rows that ended keep their reward."""
    with torch.no_grad():
        best = online(batch["next"], batch["illegal"])[0].argmax(1, keepdim=True)
        bootstrap = target(batch["next"], batch["illegal"])[0].gather(1, best).squeeze(1)
        bootstrap[batch["done"]] = 0.0
        bootstrap *= gamma
        bootstrap += batch["reward"]
    return bootstrap


def main():
    torch.manual_seed(50)
    online = Dueling(4, 3)
    target = copy.deepcopy(online).requires_grad_(False)
    illegal = torch.zeros(6, 3, dtype=torch.bool)
    illegal[::2, 2] = True
    batch = {
        "now": torch.randn(6, 4),
        "next": torch.randn(6, 4),
        "action": torch.tensor([0, 1, 1, 2, 0, 2]),
        "reward": torch.randn(6),
        "done": torch.tensor([False, False, True, False, True, False]),
        "illegal": illegal,
    }
    q, size = online(batch["now"], illegal)
    chosen = q.gather(1, batch["action"].unsqueeze(1)).squeeze(1)
    loss = (chosen - td_target(online, target, batch, 0.9)).square().mean() + 1e-3 * size
    loss.backward()
    return {"q": q.detach(), "loss": loss.detach(), **{name: p.grad for name, p in online.named_parameters()}}


if __name__ == "__main__":
    print(main()["q"])
