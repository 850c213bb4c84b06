"""A cell that packs its state into a pair, and goes on writing what it has packed.

sigmoid and tanh have kept what they gave; the pair is what the caller gets.
"""

import torch
from torch import nn


class Cell(nn.Module):
    """(N, D), (N, D) -> hidden and carried state."""

    def __init__(self, dim):
        super().__init__()
        self.inward = nn.Linear(2 * dim, 2 * dim)

    def forward(self, x, state):
        hidden, carried = state
        forget, update = self.inward(torch.cat([x, hidden], dim=1)).chunk(2, dim=1)
        carried = carried * torch.sigmoid(forget)
        hidden = torch.tanh(update)
        packed = (hidden, carried)
        steps = {"taken": 0}
        steps["taken"] += 1
        hidden *= torch.sigmoid(carried)  # the gate comes last
        return packed[0], packed[1] / steps["taken"]


def main():
    torch.manual_seed(17)
    cell = Cell(3)
    state = torch.zeros(2, 3), torch.ones(2, 3)
    for step in torch.randn(3, 2, 3):
        state = cell(step, state)
    loss = state[0].square().mean() + state[1].mean()
    loss.backward()
    return {"loss": loss.detach(), **{n: p.grad for n, p in cell.named_parameters()}}


if __name__ == "__main__":
    print(main()["loss"])
