"""Tables of a diffusion schedule, clipped and renormalised in place while they are constants."""

import torch
from torch import nn


class Schedule:
    """Signal and noise levels (T,), float64 while they are built."""

    def __init__(self, steps):
        t = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
        level = torch.cos(t * torch.pi / 2) ** 2
        level /= level[0].clone()
        level.clamp_(min=1e-4)
        beta = 1 - level[1:] / level[:-1]
        beta.clamp_(max=0.999)
        self.level = torch.cumprod(1 - beta, dim=0).float()
        self.steps = steps

    def noisy(self, x, t, noise):
        a = self.level[t].view(-1, 1)
        return a.sqrt() * x + (1 - a).sqrt() * noise


def main():
    torch.manual_seed(59)
    schedule, net = Schedule(8), nn.Linear(3, 3)
    x, noise = torch.randn(5, 3), torch.randn(5, 3)
    t = torch.randint(0, 8, (5,))
    loss = (net(schedule.noisy(x, t, noise)) - noise).square().mean()
    loss.backward()
    return {"level": schedule.level, "loss": loss.detach(), "grad": net.weight.grad}


if __name__ == "__main__":
    print(main()["level"])
