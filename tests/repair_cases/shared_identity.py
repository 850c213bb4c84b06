"""Highway stack: the identity keeps the input under a second name while the first goes through the layers."""

import torch
from torch import nn


class Stack(nn.Module):
    def __init__(self, size, depth):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(size, size) for _ in range(depth))
        self.scale = nn.Parameter(torch.ones(depth))

    def forward(self, x):
        history = []
        for index, layer in enumerate(self.layers):
            out = x
            delta = layer(x)
            delta *= 0.5
            out += self.scale[index] * delta
            history.append(out.mean())
            x = torch.relu(out)
        return x, history


def main():
    torch.manual_seed(12)
    stem, stack, head = nn.Linear(3, 6), Stack(6, 3), nn.Linear(6, 2)
    parameters = [*stem.parameters(), *stack.parameters(), *head.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.05)
    data, labels = torch.randn(5, 3), torch.tensor([0, 1, 1, 0, 1])
    record = []
    for _ in range(2):
        features, history = stack(stem(data))
        loss = nn.functional.cross_entropy(head(features), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        record.append([loss.item(), *(each.item() for each in history)])
    return {"record": record, "scale": stack.scale, "grads": [p.grad for p in parameters]}


if __name__ == "__main__":
    print(main()["record"])
