"""Gradient descent written out: parameters change in place, inside `torch.no_grad()`, as they should."""

import torch


def model(x, w, b):
    """Logistic regression, (N, D) -> (N,)."""
    return torch.sigmoid(x @ w + b)


def main():
    torch.manual_seed(3)
    x = torch.randn(16, 3)
    y = (x[:, 0] > 0).float()
    w = torch.zeros(3, requires_grad=True)
    b = torch.zeros((), requires_grad=True)
    velocity = [torch.zeros(3), torch.zeros(())]
    losses = []
    for step in range(4):
        p = model(x, w, b)
        loss = -(y * p.log() + (1 - y) * (1 - p).log()).mean()
        loss.backward()
        with torch.no_grad():
            for parameter, v in zip((w, b), velocity, strict=True):
                v *= 0.9
                v += parameter.grad
                parameter -= 0.5 * v
                parameter.grad.zero_()
            if step == 2:
                w.clamp_(-1, 1)
                b[...] = b.round()
        losses.append(loss.item())
    return {"losses": losses, "w": w.detach(), "b": b.detach()}


if __name__ == "__main__":
    print(main())
