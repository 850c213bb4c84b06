"""Linear regression with the update written by hand; the weights keep their gradient buffers."""

import torch


def predict(parameters, x):
    w, b = parameters
    out = x @ w
    out += b
    return out


def objective(parameters, x, y):
    loss = (predict(parameters, x) - y).square().mean()
    loss += 1e-3 * parameters[0].square().sum()
    return loss


def update(parameters, rate):
    for parameter in parameters:
        parameter -= rate * parameter.grad
        parameter.grad.zero_()


def main():
    torch.manual_seed(51)
    x = torch.randn(8, 3)
    y = x @ torch.tensor([1.0, -2.0, 0.5])
    y += 0.1 * torch.randn(8)
    w = torch.randn(3, requires_grad=True)
    b = torch.zeros((), requires_grad=True)
    parameters = (w, b)
    losses = []
    for _ in range(3):
        loss = objective(parameters, x, y)
        loss.backward()
        update(parameters, rate=0.1)
        losses.append(loss.item())
    return {"losses": losses, "w": w, "b": b, "leaf": w.is_leaf, "grad": w.grad}


if __name__ == "__main__":
    print(main()["losses"])
