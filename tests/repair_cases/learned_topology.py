"""Traffic speeds on a road network whose links are learned: nodes have an embedding, and its products are the weights."""

import torch
from torch import nn


class RoadNet(nn.Module):
    def __init__(self, sensors, channels=4, width=6):
        super().__init__()
        self.places = nn.Parameter(torch.randn(sensors, 3))
        self.lift = nn.Linear(channels, width)
        self.mix = nn.Linear(2 * width, width)
        self.read = nn.Linear(width, 1)

    def links(self):
        return (self.places @ self.places.t()).relu().softmax(dim=-1)

    def forward(self, speeds, links):
        hidden = torch.tanh(self.lift(speeds))
        around = torch.matmul(links, hidden)
        return self.read(torch.relu(self.mix(torch.cat([hidden, around], dim=-1)))).squeeze(-1)


def main():
    torch.manual_seed(3)
    net = RoadNet(sensors=5)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    windows = [(torch.randn(2, 5, 4), torch.randn(2, 5)) for _ in range(3)]
    links = net.links()
    seen = []
    for speeds, wanted in windows:
        optimizer.zero_grad()
        error = (net(speeds, links) - wanted).abs().mean()
        error.backward()
        optimizer.step()
        seen.append(error.item())
    return seen, [parameter.detach() for parameter in net.parameters()]
