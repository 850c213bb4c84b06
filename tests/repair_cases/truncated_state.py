"""Sequence model whose packed state (hidden and cell) is cut off from its history between windows."""

import torch
from torch import nn


class Recurrent(nn.Module):
    def __init__(self, inputs, hidden):
        super().__init__()
        self.cell = nn.LSTMCell(inputs, hidden)
        self.out = nn.Linear(hidden, 1)

    def forward(self, window, packed):
        h, c = packed.chunk(2, dim=1)
        h.detach_()
        c.detach_()
        predictions = []
        for x in window:
            h, c = self.cell(x, (h, c))
            predictions.append(self.out(h))
        return torch.stack(predictions), torch.cat((h, c), dim=1)


def window_loss(model, window, packed):
    predictions, packed = model(window, packed)
    return (predictions.squeeze(-1) - window[..., 0]).square().mean(), packed


def main():
    torch.manual_seed(21)
    model = Recurrent(2, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    series = torch.randn(6, 2, 2)
    series.cumsum_(dim=0)
    packed = torch.zeros(2, 6)
    losses = []
    for window in series.split(3):
        loss, packed = window_loss(model, window, packed)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "packed": packed, "grads": [p.grad for p in model.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
