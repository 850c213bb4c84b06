"""A long unroll damps the gradient of its state by a custom function, and adds to what that gives back."""

import torch
from torch import nn


class Damp(torch.autograd.Function):
    """The same value, and a part of the gradient."""

    @staticmethod
    def forward(ctx, state, part):
        ctx.part = part
        return state.view_as(state)

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.part, None


class Dynamics(nn.Module):
    def __init__(self, width=6, actions=3):
        super().__init__()
        self.begin, self.move = nn.Linear(4, width), nn.Embedding(actions, width)
        self.turn, self.reward = nn.Linear(width, width), nn.Linear(width, 1)

    def forward(self, seen, actions):
        state, rewards = torch.tanh(self.begin(seen)), []
        for action in actions.unbind(1):
            state = Damp.apply(state, 0.5)
            state += self.move(action)
            state = torch.tanh(self.turn(state))
            rewards.append(self.reward(state))
        return torch.cat(rewards, 1)


def main():
    torch.manual_seed(86)
    dynamics = Dynamics()
    optimizer = torch.optim.SGD(dynamics.parameters(), lr=0.1)
    seen, actions, paid = torch.randn(5, 4), torch.randint(3, (5, 4)), torch.randn(5, 4)
    losses = []
    for _ in range(2):
        loss = (dynamics(seen, actions) - paid).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "grads": [p.grad for p in dynamics.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
