"""Adam written out: moments and parameters change in place, inside `torch.no_grad()`."""

import torch
from torch import nn


class Adam:
    """First and second moments per parameter, bias corrected."""

    def __init__(self, parameters, lr=0.01, betas=(0.9, 0.99), eps=1e-8):
        self.parameters = list(parameters)
        self.lr, self.betas, self.eps, self.steps = lr, betas, eps, 0
        self.first = [torch.zeros_like(p) for p in self.parameters]
        self.second = [torch.zeros_like(p) for p in self.parameters]

    @torch.no_grad()
    def step(self):
        self.steps += 1
        a, b = self.betas
        for p, m, v in zip(self.parameters, self.first, self.second, strict=True):
            m.mul_(a).add_(p.grad, alpha=1 - a)
            v.mul_(b).addcmul_(p.grad, p.grad, value=1 - b)
            size = self.lr * (1 - b**self.steps) ** 0.5 / (1 - a**self.steps)
            p.addcdiv_(m, v.sqrt().add_(self.eps), value=-size)
            p.grad.zero_()


def main():
    torch.manual_seed(51)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = Adam(net.parameters())
    x, y = torch.randn(6, 3), torch.randn(6, 1)
    losses = []
    for _ in range(3):
        loss = (net(x) - y).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, **{name: p.detach().clone() for name, p in net.named_parameters()}}


if __name__ == "__main__":
    print(main()["losses"])
