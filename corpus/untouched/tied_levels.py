"""One tensor stands at two places of a list: whoever binds one of them anew would untie it from the other."""

import torch
from torch import nn


class TiedDecoder(nn.Module):
    """Three layers, of which the first and the last start from the same state."""

    def __init__(self, width: int):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(3))
        self.calls = {"forward": 0, "tied": 0}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.layers[0](x) * 2
        states = [first, self.layers[1](x), first]
        states[0] += 1.0
        self.calls["forward"] += 1
        self.calls["tied"] += states[0] is states[2]
        pair = (states[1] * 1.0, x)
        pair[0].add_(states[2].mean())
        return self.layers[2](states[2] + pair[0])


def main():
    torch.manual_seed(9)
    model = TiedDecoder(4)
    out = model(torch.randn(3, 4))
    out.square().sum().backward()
    return {
        "out": out.detach(),
        "calls": model.calls,
        **{f"grad.{name}": p.grad for name, p in model.named_parameters()},
    }


if __name__ == "__main__":
    print(main()["calls"])
