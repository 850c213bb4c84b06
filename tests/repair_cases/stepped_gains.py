"""A codec rounds its gains to decibel steps in a custom function, whose forward works in the memory it is given."""

import torch
from torch import nn


class Stepped(torch.autograd.Function):
    """Straight through where the gain lies in range; no gradient beyond it."""

    @staticmethod
    def forward(ctx, gain, step, top):
        ctx.save_for_backward((gain.abs() <= top).to(gain.dtype))
        return gain.clamp_(-top, top).div_(step).round_().mul_(step)

    @staticmethod
    def backward(ctx, grad):
        (inside,) = ctx.saved_tensors
        return grad * inside, None, None


class Codec(nn.Module):
    def __init__(self, bands=6, gains=4):
        super().__init__()
        self.analyse, self.mix = nn.Linear(bands, gains), nn.Linear(gains, gains)
        self.play = nn.Linear(gains, bands)

    def forward(self, frames):
        gains = Stepped.apply(torch.tanh(self.analyse(frames)), 0.25, 0.75)
        gains = Stepped.apply(torch.tanh(self.mix(gains)), 0.125, 0.875)
        return self.play(gains)


def main():
    torch.manual_seed(83)
    codec = Codec()
    optimizer = torch.optim.SGD(codec.parameters(), lr=0.1)
    frames = torch.randn(7, 6)
    losses = []
    for _ in range(2):
        loss = (codec(frames) - frames).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "grads": [p.grad for p in codec.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
