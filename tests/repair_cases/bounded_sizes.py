"""Box regression: a helper bounds sizes in place, as its name says, after the logarithm of one has been taken."""

import torch
from torch import nn


def bound_(size, largest):
    size.clamp_(min=1.0)
    return size.clamp_(max=largest)


class Boxes(nn.Module):
    def __init__(self):
        super().__init__()
        self.offsets = nn.Linear(6, 4)

    def forward(self, x, anchors):
        delta = 0.1 * self.offsets(x)
        size = anchors[:, 2:] * delta[:, 2:].exp()
        ratio = (size[:, 0] / size[:, 1]).log()
        size = bound_(size, 9.0)
        centre = anchors[:, :2] + delta[:, :2] * anchors[:, 2:]
        return torch.cat([centre - size / 2, centre + size / 2], dim=1), ratio


def main():
    torch.manual_seed(83)
    net = Boxes()
    opt = torch.optim.SGD(net.parameters(), lr=0.01)
    x, anchors = torch.randn(6, 6), 10 * torch.rand(6, 4)
    wanted = 10 * torch.rand(6, 2)
    bound_(wanted, 8.0)
    losses = []
    for _ in range(2):
        corners, ratio = net(x, anchors)
        loss = (corners[:, 2:] - corners[:, :2] - wanted).square().mean() + 0.1 * ratio.square().mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.item())
    grads = [p.grad for p in net.parameters()]
    return {"losses": losses, "corners": corners.detach(), "grads": grads, "wanted": wanted}


if __name__ == "__main__":
    print(main()["losses"])
