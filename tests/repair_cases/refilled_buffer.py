"""Gradient accumulation over chunks of a recording that are read into one numpy work buffer."""

import numpy as np
import torch
from torch import nn


class Reader:
    def __init__(self, recording, length):
        self.recording, self.length = recording, length
        self.work = np.empty((length, recording.shape[1]), dtype=np.float32)

    def chunks(self):
        for start in range(0, len(self.recording), self.length):
            self.work[:] = self.recording[start : start + self.length]
            self.work -= self.work.mean(axis=0)
            yield torch.from_numpy(self.work)


def main():
    torch.manual_seed(72)
    recording = np.random.default_rng(0).normal(size=(8, 3))
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    reader = Reader(recording, 4)
    losses = []
    for _ in range(2):
        total = torch.zeros(())
        for chunk in reader.chunks():
            total += model(chunk).square().mean()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        losses.append(total.item())
    return {"losses": losses, "weights": list(model.parameters()), "grads": [p.grad for p in model.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
