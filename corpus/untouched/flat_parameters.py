"""Parameters copied into one flat vector and back, under `no_grad`, for a line search."""

import torch
from torch import nn


@torch.no_grad()
def flatten(parameters):
    """One vector of all values."""
    parameters = list(parameters)
    flat = torch.empty(sum(p.numel() for p in parameters))
    offset = 0
    for p in parameters:
        flat[offset : offset + p.numel()] = p.flatten()
        offset += p.numel()
    return flat


@torch.no_grad()
def restore(flat, parameters):
    """Write the vector back."""
    offset = 0
    for p in parameters:
        p.copy_(flat[offset : offset + p.numel()].view_as(p))
        offset += p.numel()


def main():
    torch.manual_seed(64)
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    x, y = torch.randn(5, 2), torch.randn(5, 1)
    start = flatten(net.parameters())
    loss = (net(x) - y).square().mean()
    loss.backward()
    direction = torch.cat([p.grad.flatten() for p in net.parameters()])
    size, best = 1.0, float("inf")
    while size > 0.05:
        restore(start - size * direction, net.parameters())
        with torch.no_grad():
            best = min(best, (net(x) - y).square().mean().item())
        size /= 2
    return {"loss": loss.item(), "best": best, "direction": direction}


if __name__ == "__main__":
    print(main()["best"])
