"""A clip is painted from a code, normalised frame by frame, and looked at by a frozen network."""

import torch
from torch import nn


class Normalise:
    def __init__(self, mean, std):
        self.mean = torch.tensor(mean).view(-1, 1, 1)
        self.std = torch.tensor(std).view(-1, 1, 1)

    def __call__(self, clip):
        for frame in clip:
            frame.sub_(self.mean).div_(self.std)
        return clip


class Painter(nn.Module):
    def __init__(self, size=5, frames=3):
        super().__init__()
        self.frames = frames
        self.paint = nn.Linear(size, frames * 2 * 16)

    def forward(self, code):
        return self.paint(code).sigmoid().view(self.frames, 2, 4, 4)


def objective(painter, eye, code):
    clip = Normalise([0.5, 0.4], [0.2, 0.3])(painter(code))
    seen = eye(clip).flatten(1)
    seen = seen.clamp_(-2, 2)
    return seen.square().mean() + 0.1 * (clip[1:] - clip[:-1]).abs().mean()


def main():
    torch.manual_seed(85)
    painter, eye = Painter(), nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh())
    eye.requires_grad_(False)
    code = torch.randn(5)
    loss = objective(painter, eye, code)
    loss.backward()
    return {"loss": loss.detach(), "weight": painter.paint.weight.grad, "bias": painter.paint.bias.grad}


if __name__ == "__main__":
    print(main()["loss"])
