"""A GRU written out by hand and unrolled over a short sequence.

The candidate comes from `torch.tanh`, which keeps its output; blending it with the old state in place overwrites that
output, and backward raises.
"""

import torch
from torch import nn


class GRUCell(nn.Module):
    """One step: (N, input_size), (N, hidden_size) -> (N, hidden_size)."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.gates = nn.Linear(input_size + hidden_size, 2 * hidden_size)
        self.candidate = nn.Linear(input_size + hidden_size, hidden_size)

    def forward(self, x, h):
        both = torch.cat([x, h], dim=1)
        reset, update = torch.sigmoid(self.gates(both)).chunk(2, dim=1)
        new = torch.tanh(self.candidate(torch.cat([x, reset * h], dim=1)))
        new *= 1 - update
        new += update * h
        return new


class Encoder(nn.Module):
    """Unrolls the cell over (T, N, input_size) and returns all states (T, N, hidden_size)."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.cell = GRUCell(input_size, hidden_size)
        self.hidden_size = hidden_size
        self.steps_seen = 0

    def forward(self, sequence):
        h = sequence.new_zeros(sequence.shape[1], self.hidden_size)
        states = []
        for x in sequence:
            h = self.cell(x, h)
            states.append(h)
            self.steps_seen += 1
        return torch.stack(states)


def main():
    torch.manual_seed(1)
    model = Encoder(3, 5)
    sequence = torch.randn(4, 2, 3, requires_grad=True)
    states = model(sequence)
    loss = states[-1].pow(2).sum() + states.mean()
    loss.backward()
    return {
        "states": states.detach(),
        "sequence.grad": sequence.grad,
        **{f"grad.{name}": p.grad for name, p in model.named_parameters()},
        "steps": model.steps_seen,
    }


if __name__ == "__main__":
    print(main()["states"][-1])
