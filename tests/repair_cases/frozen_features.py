"""Linear probe on features of a frozen backbone that are computed in inference mode."""

import torch
from torch import nn


class Probe:
    def __init__(self, backbone, classes):
        self.backbone = backbone.eval()
        self.head = nn.Linear(6, classes)

    def features(self, x):
        with torch.inference_mode():
            h = self.backbone(x)
            h /= h.norm(dim=1, keepdim=True)
        return h

    def loss(self, x, labels):
        return nn.functional.cross_entropy(self.head(self.features(x)), labels)


def main():
    torch.manual_seed(55)
    backbone = nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6), nn.ReLU(inplace=True), nn.Linear(6, 6))
    probe = Probe(backbone, classes=3)
    optimizer = torch.optim.SGD(probe.head.parameters(), lr=0.5)
    x, labels = torch.randn(5, 3), torch.tensor([0, 1, 2, 0, 1])
    losses = []
    for _ in range(2):
        loss = probe.loss(x, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "features": probe.features(x), "grads": [p.grad for p in probe.head.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
