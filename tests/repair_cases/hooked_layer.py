"""Gradient statistics by full backward hooks on the convolutions of a network with in-place activations."""

import torch
from torch import nn


class Statistics:
    def __init__(self, model):
        self.norms = []
        for module in model:
            if isinstance(module, nn.Conv1d):
                module.register_full_backward_hook(self.note)

    def note(self, module, grad_input, grad_output):
        self.norms.append(grad_output[0].norm())


def network():
    return nn.Sequential(
        nn.Conv1d(2, 4, 3),
        nn.BatchNorm1d(4, track_running_stats=False),
        nn.ReLU(inplace=True),
        nn.Conv1d(4, 4, 3),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(16, 1),
    )


def objective(model, x, y):
    return (model(x).squeeze(1) - y).square().mean()


def main():
    torch.manual_seed(79)
    model = network()
    statistics = Statistics(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = torch.randn(3, 2, 8), torch.randn(3)
    losses = []
    for _ in range(2):
        loss = objective(model, x, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "norms": statistics.norms, "grads": [p.grad for p in model.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
