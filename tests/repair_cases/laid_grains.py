"""Grains of sound are laid over one another; where a grain lies is looked up by a method without grad mode."""

import torch
from torch import nn


class Grains(nn.Module):
    def __init__(self, codes=5, length=6, hop=3):
        super().__init__()
        self.length, self.hop = length, hop
        self.shape = nn.Sequential(nn.Linear(codes, 8), nn.Tanh(), nn.Linear(8, length))
        self.register_buffer("window", torch.linspace(0.1, 1, length))

    @torch.no_grad()
    def room(self, track, number):
        """The samples that a grain covers."""
        return track[:, number * self.hop : number * self.hop + self.length]

    def forward(self, codes):
        grains = self.shape(codes) * self.window
        track = grains.new_zeros(len(codes), (codes.shape[1] - 1) * self.hop + self.length)
        for number in range(codes.shape[1]):
            place = self.room(track, number)
            place += grains[:, number]
        return track.tanh()


def objective(grains, codes, wanted):
    return (grains(codes) - wanted).square().mean()


def main():
    torch.manual_seed(85)
    grains = Grains()
    optimizer = torch.optim.SGD(grains.parameters(), lr=0.2)
    codes, wanted = torch.randn(2, 3, 5), torch.randn(2, 12)
    losses = []
    for _ in range(2):
        loss = objective(grains, codes, wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "grads": [p.grad for p in grains.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
