"""Windows of a recording come from one work buffer each for inputs and labels; their losses are summed."""

import numpy as np
import torch
from torch import nn


class Windows:
    def __init__(self, recording, size, batch):
        self.recording, self.size = recording, size
        self.x = np.zeros((batch, size), dtype=np.float32)
        self.y = np.zeros(batch, dtype=np.int64)

    def __iter__(self):
        for start in range(0, len(self.recording) - 2 * self.size, self.size):
            for row in range(len(self.x)):
                part = self.recording[start + row : start + row + self.size]
                self.x[row] = part
                self.y[row] = part[-1] > 0
            yield torch.from_numpy(self.x), torch.from_numpy(self.y)


class Hears(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(1, 3, 3)
        self.act = nn.ReLU(inplace=True)
        self.leave = nn.Linear(3, 2)

    def forward(self, x):
        return self.leave(self.act(self.conv(x[:, None])).mean(dim=2))


def main():
    torch.manual_seed(88)
    times = np.arange(30) / 3
    recording = np.sin(times)
    recording += 0.2 * np.cos(7 * times)
    net = Hears()
    loss = 0.0
    for x, y in Windows(recording.astype(np.float32), 6, 4):
        loss = loss + nn.functional.cross_entropy(net(x), y)
    loss.backward()
    return {"loss": loss.detach(), **{name: p.grad for name, p in net.named_parameters()}}


if __name__ == "__main__":
    print(main()["loss"])
