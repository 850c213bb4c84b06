"""The founding example as it should be written: every step binds a new value, nothing is overwritten."""

import torch


def quadratic(x):
    """Return z = (2x)^2 and the scaled intermediate 6x."""
    y = x * 2
    z = y**2
    y = y * 3
    return z, y


def main():
    x = torch.tensor(2.0, requires_grad=True)
    z, scaled = quadratic(x)
    z.backward()
    return {"z": z.detach(), "scaled": scaled.detach(), "x.grad": x.grad}


if __name__ == "__main__":
    for name, value in main().items():
        print(f"{name} = {value.item():g}")
