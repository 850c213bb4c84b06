"""Elman network whose hidden states are written into a tensor that was allocated for the whole sequence."""

import torch
from torch import nn


class Elman(nn.Module):
    def __init__(self, inputs, hidden):
        super().__init__()
        self.hidden = hidden
        self.enter = nn.Linear(inputs, hidden)
        self.again = nn.Linear(hidden, hidden, bias=False)
        self.out = nn.Linear(hidden, 1)

    def forward(self, x):
        steps, batch, _ = x.shape
        states = torch.zeros(steps, batch, self.hidden)
        h = torch.zeros(batch, self.hidden)
        for t in range(steps):
            states[t] = torch.tanh(self.enter(x[t]) + self.again(h))
            h = states[t]
        return self.out(states).squeeze(-1), states


def main():
    torch.manual_seed(33)
    model = Elman(2, 5)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    x = torch.randn(4, 3, 2)
    y = x.cumsum(dim=0)[..., 0]
    y -= y.mean()
    losses = []
    for _ in range(2):
        predicted, states = model(x)
        loss = (predicted - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "states": states, "again": model.again.weight.grad}


if __name__ == "__main__":
    print(main()["losses"])
