"""A feature pyramid: each level goes into a table under its name, and gets what the coarser level adds afterwards.

`levels[name] = h` and `taps.append(h)` hand on the very tensor that is written below, as they are meant to: the heads
read what has been added. The sigmoid and the hyperbolic tangent have kept their results, so that backward raises.
No expression could put a new tensor into the table and the list at once; a clone before they get it can.
"""

import torch
from torch import nn


class Pyramid(nn.Module):
    """Sequences (N, C, T) to one score for each level and a mean over all taps."""

    def __init__(self, width, depth):
        super().__init__()
        self.names = [f"level{n}" for n in range(depth)]
        self.down = nn.ModuleList([nn.Conv1d(width, width, 3, stride=2, padding=1) for _ in range(depth)])
        self.top = nn.Conv1d(width, width, 1)
        self.head = nn.Linear(width, 1)
        self.seen = 0

    def forward(self, x):
        levels, taps = {}, []
        h = x
        for name, conv in zip(self.names, self.down):
            h = torch.sigmoid(conv(h))
            levels[name] = h
            taps.append(h)
            h += 0.1 * torch.cos(x.mean(2, keepdim=True))
        self.seen += 1
        context = torch.tanh(self.top(h))
        both = [context, context.mean(2)]
        context *= 0.5
        scores = {name: self.head(level.mean(2)) for name, level in levels.items()}
        return scores, sum(tap.mean() for tap in taps) + both[0].square().mean() + both[1].mean()


def main():
    torch.manual_seed(53)
    model = Pyramid(6, 3)
    scores, regulariser = model(torch.randn(2, 6, 16, requires_grad=True))
    loss = torch.cat(list(scores.values())).square().mean() + regulariser
    loss.backward()
    gradients = {name: p.grad for name, p in model.named_parameters()}
    return {"loss": loss.detach(), **{name: s.detach() for name, s in scores.items()}, **gradients}


if __name__ == "__main__":
    print(main()["loss"])
