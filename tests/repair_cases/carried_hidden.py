"""Streaming recurrent model that keeps its state, and its graph, from window to window."""

import torch
from torch import nn


class Stream(nn.Module):
    def __init__(self, inputs, hidden):
        super().__init__()
        self.cell = nn.GRUCell(inputs, hidden)
        self.out = nn.Linear(hidden, 1)

    def forward(self, window, h):
        outputs = []
        for x in window:
            h = self.cell(x, h)
            outputs.append(self.out(h))
        return torch.cat(outputs, dim=1), h


def main():
    torch.manual_seed(61)
    model = Stream(2, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
    series = torch.randn(6, 3, 2)
    series[1:] += 0.5 * series[:-1].clone()
    h = torch.zeros(3, 4)
    losses = []
    for window in series.split(2):
        predicted, h = model(window, h)
        loss = (predicted - window[..., 0].t()).square().mean()
        optimizer.zero_grad()
        loss.backward(retain_graph=True)
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "h": h, "weights": list(model.parameters())}


if __name__ == "__main__":
    print(main()["losses"])
