"""Points with learned colours are written into an image by index; some points fall on the same pixel."""

import torch
from torch import nn


class Splat(nn.Module):
    def __init__(self, points, side):
        super().__init__()
        self.side = side
        self.colour = nn.Parameter(torch.rand(points))
        self.background = nn.Parameter(torch.zeros(()))

    def forward(self, pixels):
        image = self.background.expand(self.side * self.side).clone()
        image[pixels] = self.colour * 2.0
        return image.view(self.side, self.side)


def objective(splat, pixels, wanted):
    image = splat(pixels)
    image -= wanted
    return image.square().mean()


def main():
    torch.manual_seed(76)
    splat = Splat(5, 3)
    optimizer = torch.optim.SGD(splat.parameters(), lr=0.5)
    pixels, wanted = torch.tensor([0, 4, 8, 4, 0]), torch.eye(3)
    losses = []
    for _ in range(2):
        loss = objective(splat, pixels, wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "colour": splat.colour, "grad": splat.colour.grad}


if __name__ == "__main__":
    print(main()["losses"])
