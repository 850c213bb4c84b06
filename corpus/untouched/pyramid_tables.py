"""Tables and lists that get tensors which nobody writes afterwards, beside counters and clones that look like it.

What is written behind `levels[name] = h` is a counter, a list, an array, or a clone that stands there already: the
table has the clone, which nothing has kept.
"""

import numpy as np
import torch
from torch import nn


class Tables(nn.Module):
    """Sequences (N, C, T) to their levels by name, and how often each was met."""

    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv1d(width, width, 3, padding=1)
        self.met = {"fine": 0, "coarse": 0}

    def forward(self, x):
        levels, sizes, total = {}, [], np.zeros(2)
        h = torch.sigmoid(self.conv(x))
        h = h.clone()
        levels["fine"] = h
        h += 1
        for number, name in enumerate(self.met):
            self.met[name] += 1
            sizes.append(h.shape[2])
            sizes[-1] += number
            total[number] += sizes[-1]
        with torch.no_grad():
            shown = h.mean(2)
            levels["shown"] = shown
            shown -= shown.mean()
        levels["coarse"] = h[:, :, ::2]
        return levels, total.sum()


def main():
    torch.manual_seed(59)
    model = Tables(4)
    levels, total = model(torch.randn(2, 4, 8))
    loss = levels["fine"].square().mean() + levels["coarse"].mean()
    loss.backward()
    return {"loss": loss.detach(), "total": torch.tensor(total), **{n: p.grad for n, p in model.named_parameters()}}


if __name__ == "__main__":
    print(main()["loss"])
