"""Gradients edited between backward and step: `.grad` is no part of the graph."""

import torch
from torch import nn


def accumulate(model, batches):
    """Average gradients over micro-batches."""
    for x, y in batches:
        loss = (model(x).squeeze(1) - y).square().mean()
        loss.backward()
    for p in model.parameters():
        p.grad /= len(batches)


def centralise(model):
    """Remove the mean of each weight's gradient and add decay."""
    with torch.no_grad():
        for p in model.parameters():
            if p.dim() > 1:
                p.grad -= p.grad.mean(dim=1, keepdim=True)
            p.grad.add_(p, alpha=1e-2)
            p.grad.clamp_(-1.0, 1.0)


def main():
    torch.manual_seed(21)
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    batches = [(torch.randn(4, 3), torch.randn(4)) for _ in range(2)]
    norms = []
    for _ in range(2):
        optimizer.zero_grad(set_to_none=False)
        accumulate(model, batches)
        centralise(model)
        norms += [model.weight.grad.norm().item()]
        optimizer.step()
    model.bias.grad.zero_()
    return {"norms": norms, "weight": model.weight.detach(), "bias.grad": model.bias.grad}


if __name__ == "__main__":
    print(main()["norms"])
