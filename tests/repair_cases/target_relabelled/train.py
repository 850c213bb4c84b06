"""Segmentation with an auxiliary head; both losses see the same label map."""

import torch
from losses import auxiliary_loss, main_loss
from torch import nn


class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.body = nn.Conv2d(2, 4, 3, padding=1)
        self.main = nn.Conv2d(4, classes, 1)
        self.side = nn.Conv2d(4, classes, 1)

    def forward(self, x):
        h = torch.relu(self.body(x))
        return self.main(h), self.side(h)


def main():
    torch.manual_seed(14)
    net = Net(classes=3)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    images = torch.randn(2, 2, 4, 4)
    labels = torch.randint(0, 3, (2, 4, 4))
    labels[:, 0] = 255
    losses = []
    for _ in range(2):
        batch = {"image": images, "label": labels.clone()}
        out, side = net(batch["image"])
        loss = main_loss(out, batch)
        loss += 0.4 * auxiliary_loss(side, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "labels": batch["label"], "grads": [p.grad for p in net.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
