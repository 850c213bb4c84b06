"""A gated recurrence fills two buffers step by step, and scales its state in place after it was stored."""

import torch
from torch import nn


class GatedRecurrence(nn.Module):
    """Returns the state after every step, and one gate per step as columns."""

    def __init__(self, width: int):
        super().__init__()
        self.inward = nn.Linear(width, width)
        self.gate = nn.Linear(width, 1)
        self.seen = 0

    def forward(self, sequence: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        steps, batch, width = sequence.shape
        states = torch.zeros(steps, batch, width)
        gates = torch.empty(batch, steps)
        state = torch.zeros(batch, width)
        for t in range(steps):
            self.seen += batch
            gate = torch.sigmoid(self.gate(sequence[t]))
            state = torch.tanh(self.inward(sequence[t]) + gate * state)
            gates[:, t] = gate.squeeze(1)
            states[t] = state  # what the next step decays
            state *= 0.9
        return states, gates


def main():
    torch.manual_seed(2)
    model = GatedRecurrence(3)
    sequence = torch.randn(4, 2, 3, requires_grad=True)
    states, gates = model(sequence)
    loss = states.square().mean() + gates.log().neg().mean()
    loss.backward()
    return {
        "states": states.detach(),
        "gates": gates.detach(),
        "sequence.grad": sequence.grad,
        **{f"grad.{name}": p.grad for name, p in model.named_parameters()},
        "seen": model.seen,
    }


if __name__ == "__main__":
    print(main()["states"][-1])
