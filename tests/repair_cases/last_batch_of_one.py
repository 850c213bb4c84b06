"""Squeeze step of a flow on audio frames; trained over a small data set with whatever the last batch holds."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Squeeze(nn.Module):
    """(N, T, C) -> time-major rows (T, N, C), scaled to the layer's own units."""

    def __init__(self, channels):
        super().__init__()
        self.mix = nn.Linear(channels, channels)
        self.gain = 0.5

    def forward(self, x):
        rows = x.transpose(0, 1).contiguous()
        rows *= self.gain
        return self.mix(rows)


class Net(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.encode = nn.Linear(channels, channels)
        self.squeeze = Squeeze(channels)

    def forward(self, x):
        h = torch.tanh(self.encode(x))
        return self.squeeze(h).transpose(0, 1)


def main():
    torch.manual_seed(10)
    net = Net(3)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    frames = torch.randn(5, 4, 3)
    frames -= frames.mean(dim=(0, 1))
    loader = DataLoader(TensorDataset(frames), batch_size=2, shuffle=False)
    losses = []
    for (batch,) in loader:
        loss = (net(batch) - batch).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append((len(batch), loss.item()))
    return {"losses": losses, "encode": net.encode.weight, "grad": net.encode.weight.grad}


if __name__ == "__main__":
    print(main()["losses"])
