"""An LSTM cell written out, whose gates are activated in place after the split."""

import torch
from torch import nn


class Cell(nn.Module):
    def __init__(self, inputs, hidden):
        super().__init__()
        self.hidden = hidden
        self.linear = nn.Linear(inputs + hidden, 4 * hidden)
        with torch.no_grad():
            self.linear.bias[hidden : 2 * hidden].fill_(1.0)

    def forward(self, x, h, c):
        i, f, g, o = self.linear(torch.cat((x, h), dim=1)).split(self.hidden, dim=1)
        i.sigmoid_()
        f.sigmoid_()
        g.tanh_()
        o.sigmoid_()
        c = f * c + i * g
        return o * torch.tanh(c), c


def objective(cell, head, x, y):
    h = c = torch.zeros(x.size(1), cell.hidden)
    for step in x:
        h, c = cell(step, h, c)
    return (head(h) - y).square().mean()


def main():
    torch.manual_seed(43)
    cell, head = Cell(2, 3), nn.Linear(3, 1)
    parameters = [*cell.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-2)
    x, y = torch.randn(4, 2, 2), torch.randn(2, 1)
    losses = []
    for _ in range(2):
        loss = objective(cell, head, x, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "bias": cell.linear.bias, "grads": [p.grad for p in parameters]}


if __name__ == "__main__":
    print(main()["losses"])
