"""An LSTM with peephole connections, written with the cell state updated in place.

The peepholes multiply the cell state, so autograd keeps it; `c *= f` and `c += i * g` overwrite it: backward raises.
"""

import torch
from torch import nn


class PeepholeLSTM(nn.Module):
    """(T, N, D) -> outputs (T, N, H) and the last cell state (N, H)."""

    def __init__(self, input_size, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.linear = nn.Linear(input_size + hidden_size, 4 * hidden_size)
        self.peep = nn.Parameter(torch.zeros(3, hidden_size))
        self.reset_parameters()

    def reset_parameters(self):
        nn.init.orthogonal_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        with torch.no_grad():
            self.linear.bias[: self.hidden_size] += 1.0
            self.peep.uniform_(-0.1, 0.1)

    def forward(self, sequence):
        steps, batch, _ = sequence.shape
        h = sequence.new_zeros(batch, self.hidden_size)
        c = sequence.new_zeros(batch, self.hidden_size)
        outputs = []
        for t in range(steps):
            gates = self.linear(torch.cat([sequence[t], h], dim=-1))
            f, i, g, o = gates.chunk(4, dim=-1)
            f = torch.sigmoid(f + self.peep[0] * c)
            i = torch.sigmoid(i + self.peep[1] * c)
            c *= f
            c += i * torch.tanh(g)
            o = torch.sigmoid(o + self.peep[2] * c)
            h = o * torch.tanh(c)
            outputs.append(h)
        return torch.stack(outputs), c


def main():
    torch.manual_seed(2)
    lstm = PeepholeLSTM(3, 4)
    sequence = torch.randn(5, 2, 3, requires_grad=True)
    outputs, cell = lstm(sequence)
    loss = outputs.square().mean() + cell.abs().mean()
    loss.backward()
    grads = {f"grad.{name}": parameter.grad for name, parameter in lstm.named_parameters()}
    return {"outputs": outputs.detach(), "cell": cell.detach(), "sequence.grad": sequence.grad, **grads}


if __name__ == "__main__":
    out = main()
    print(out["outputs"].shape, out["grad.peep"].norm())
