"""Learned step-size quantisation with a straight-through estimator.

The step is the `exp` of a parameter, which keeps its output; the small constant added to it in place overwrites it, and
backward raises. Rounding happens on a detached copy and is meant to carry no gradient.
"""

import torch
from torch import nn


class Quantiser(nn.Module):
    """Rounds to a learned grid; the gradient passes straight through the rounding."""

    def __init__(self, bits, step=0.1):
        super().__init__()
        self.low = -(2 ** (bits - 1))
        self.high = 2 ** (bits - 1) - 1
        self.log_step = nn.Parameter(torch.tensor(step).log())

    def forward(self, x):
        step = self.log_step.exp()
        step += 1e-6
        levels = x / step
        levels = levels.clamp(self.low, self.high)
        rounded = levels.detach().clone()
        rounded.round_()
        rounded -= levels.detach()
        levels += rounded
        levels *= step
        return levels


class QuantLinear(nn.Module):
    """Linear layer with quantised weights and activations."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.weight_quantiser = Quantiser(bits=4)
        self.input_quantiser = Quantiser(bits=4, step=0.25)

    def forward(self, x):
        weight = self.weight_quantiser(self.linear.weight)
        return nn.functional.linear(self.input_quantiser(x), weight, self.linear.bias)


def main():
    torch.manual_seed(27)
    layer = QuantLinear(5, 3)
    x = torch.randn(4, 5, requires_grad=True)
    y = layer(x)
    loss = (y - 0.5).square().sum()
    loss.backward()
    return {"y": y.detach(), "x.grad": x.grad, **{name: p.grad for name, p in layer.named_parameters()}}


if __name__ == "__main__":
    for name, value in main().items():
        print(name, value.norm().item())
