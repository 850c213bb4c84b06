"""Slots that begin as one learned set, expanded to the batch, and move by what each sample shows."""

import torch
from torch import nn


class Slots(nn.Module):
    def __init__(self, slots, width):
        super().__init__()
        self.start = nn.Parameter(torch.randn(1, slots, width))
        self.sharpness = nn.Parameter(torch.zeros(1, slots, width))
        self.queries, self.keys = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x):
        offsets = self.keys(x).mean(1, keepdim=True).expand(-1, self.start.size(1), -1)
        offsets *= self.sharpness.exp()
        slots = self.start.expand(x.size(0), -1, -1)
        slots[:, 0] = x[:, 0]
        attention = (self.queries(slots + offsets) @ self.keys(x).transpose(1, 2)).softmax(1)
        return slots + attention @ x


def main():
    torch.manual_seed(78)
    net = Slots(3, 4)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    losses = []
    for _ in range(2):
        loss = net(torch.randn(2, 5, 4)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "state": net.state_dict()}


if __name__ == "__main__":
    print(main()["losses"])
