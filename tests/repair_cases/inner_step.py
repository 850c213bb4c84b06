"""Meta-learning: one inner step on fast weights, through which the outer loss is differentiated."""

import torch
from torch import nn


def adapted(model, x, y, rate):
    fast = {key: weight.clone() for key, weight in model.named_parameters()}
    loss = nn.functional.mse_loss(torch.func.functional_call(model, fast, (x,)), y)
    gradients = torch.autograd.grad(loss, list(fast.values()), create_graph=True)
    for weight, gradient in zip(fast.values(), gradients):
        weight.sub_(rate * gradient)
    return fast


def main():
    torch.manual_seed(77)
    model = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(2):
        x, slope = torch.randn(8, 2), torch.randn(2, 1)
        fast = adapted(model, x[:4], x[:4] @ slope, rate=0.3)
        loss = nn.functional.mse_loss(torch.func.functional_call(model, fast, (x[4:],)), x[4:] @ slope)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "weights": list(model.parameters())}


if __name__ == "__main__":
    print(main()["losses"])
