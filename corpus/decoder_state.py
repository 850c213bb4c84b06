"""A recurrent decoder that carries its state in a data class.

`state.h` and `state.c` are updated in place through the object. The highway product of the same step has kept
`state.h`: backward raises. The step counter in the same object is a number.
"""

from dataclasses import dataclass, field

import torch
from torch import nn


@dataclass
class State:
    """Hidden and context vectors (N, H), a step counter and a log."""

    h: torch.Tensor
    c: torch.Tensor
    step: int = 0
    log: list = field(default_factory=list)


class Decoder(nn.Module):
    """Inputs (T, N, D) -> outputs (T, N, H) and the final state."""

    def __init__(self, dim, hidden):
        super().__init__()
        self.hidden = hidden
        self.inp = nn.Linear(dim, hidden)
        self.rec = nn.Linear(hidden, hidden, bias=False)
        self.carry = nn.Parameter(torch.full((hidden,), 0.3))

    def begin(self, batch):
        return State(h=torch.zeros(batch, self.hidden), c=torch.zeros(batch, self.hidden))

    def advance(self, x, state: State):
        update = torch.tanh(self.inp(x) + self.rec(state.c))
        output = self.carry * state.h + update
        state.h += update
        state.h *= 0.5
        state.c = state.c * 0.9 + 0.1 * output
        state.step += 1
        state.log += [f"step {state.step}"]
        return output

    def forward(self, inputs):
        state = self.begin(inputs.shape[1])
        outputs = [self.advance(x, state) for x in inputs]
        return torch.stack(outputs), state


def main():
    torch.manual_seed(76)
    decoder = Decoder(3, 4)
    outputs, state = decoder(torch.randn(4, 2, 3))
    loss = outputs.square().mean() + state.c.abs().sum()
    loss.backward()
    grads = {name: p.grad for name, p in decoder.named_parameters()}
    return {"outputs": outputs.detach(), "h": state.h.detach(), "log": state.log, **grads}


if __name__ == "__main__":
    print(main()["log"])
