"""A recurrent network as it should be written: every state is a new tensor, results are collected and stacked."""

import torch
from torch import nn


class Recurrent(nn.Module):
    """(T, N, D) -> (T, N, H)."""

    def __init__(self, size, hidden):
        super().__init__()
        self.inner = nn.Linear(size + hidden, hidden)
        self.gate = nn.Linear(size + hidden, hidden)
        self.hidden = hidden

    def forward(self, sequence):
        h = sequence.new_zeros(sequence.shape[1], self.hidden)
        states = []
        for x in sequence:
            both = torch.cat([x, h], dim=-1)
            g = torch.sigmoid(self.gate(both))
            h = g * h + (1 - g) * torch.tanh(self.inner(both))
            h = h - h.mean(dim=-1, keepdim=True)
            states += [h]
        return torch.stack(states)


def main():
    torch.manual_seed(66)
    net = Recurrent(3, 4)
    sequence = torch.randn(5, 2, 3, requires_grad=True)
    states = net(sequence)
    loss = states.square().mean() + states[-1].abs().sum()
    loss.backward()
    return {"states": states.detach(), "sequence.grad": sequence.grad, "grad": net.gate.weight.grad}


if __name__ == "__main__":
    print(main()["states"].shape)
