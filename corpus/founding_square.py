"""The smallest program with the defect: a value is squared and then scaled in place.

`y ** 2` keeps `y` for the backward pass and `y *= 3` overwrites it, so backward raises (it does not silently give 0).
With z = (2x)^2 = 4x^2 the derivative is 8x: 16 at x = 2.
"""

import torch


def quadratic(x):
    """Return z = (2x)^2 and the scaled intermediate 6x."""
    y = x * 2
    z = y**2
    y *= 3
    return z, y


def main():
    x = torch.tensor(2.0, requires_grad=True)
    z, scaled = quadratic(x)
    z.backward()
    return {"z": z.detach(), "scaled": scaled.detach(), "x.grad": x.grad}


if __name__ == "__main__":
    for name, value in main().items():
        print(f"{name} = {value.item():g}")
