"""Stochastic weight averaging and low-rank merging of state dicts, without gradient."""

import torch
from torch import nn


def average(states):
    """Mean of several state dicts of floating tensors."""
    result = {}
    with torch.no_grad():
        for state in states:
            for name, value in state.items():
                if name not in result:
                    result[name] = torch.zeros_like(value)
                result[name] += value
        for name in result:
            result[name] /= len(states)
    return result


@torch.no_grad()
def merge_low_rank(layer, down, up, alpha):
    """Fold an adapter into a linear layer."""
    layer.weight += alpha * (up @ down)
    layer.bias.add_(0.0)


def main():
    torch.manual_seed(28)
    model = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    states = []
    for _ in range(3):
        loss = model(torch.randn(5, 3)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        states.append({name: value.clone() for name, value in model.state_dict().items()})
    model.load_state_dict(average(states))
    merge_low_rank(model, torch.ones(1, 3), torch.ones(2, 1), alpha=0.1)
    return {name: value.clone() for name, value in model.state_dict().items()}


if __name__ == "__main__":
    print(main())
