"""Decoding of a YOLO head: cell offsets and anchor sizes into boxes.

`sigmoid` keeps its output; the boxes are written back into slices of that output, and backward raises. At inference the
same lines work, which is why the bug survives until somebody trains through the decoder.
"""

import torch
from torch import nn


class Detect(nn.Module):
    """Features (N, C, H, W) -> boxes and scores (N, A*H*W, 5 + K), boxes as cx, cy, w, h in pixels."""

    def __init__(self, channels, classes, anchors, stride):
        super().__init__()
        self.outputs = 5 + classes
        self.stride = stride
        self.register_buffer("anchors", torch.tensor(anchors).float().view(1, -1, 1, 1, 2))
        self.head = nn.Conv2d(channels, self.outputs * len(anchors), 1)

    def cells(self, height, width):
        ys, xs = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        return torch.stack((xs, ys), dim=2).view(1, 1, height, width, 2).float()

    def forward(self, features):
        n, _, h, w = features.shape
        raw = self.head(features).view(n, -1, self.outputs, h, w).permute(0, 1, 3, 4, 2)
        y = raw.sigmoid()
        y[..., 0:2] = (y[..., 0:2] * 2.0 - 0.5 + self.cells(h, w)) * self.stride
        y[..., 2:4] = (y[..., 2:4] * 2) ** 2 * self.anchors
        return y.reshape(n, -1, self.outputs)


def box_loss(decoded, target):
    """L1 on the first box of each image plus the sum of objectness."""
    boxes = decoded[:, 0, :4]
    objectness = decoded[..., 4]
    return (boxes - target).abs().mean() + objectness.mean()


def main():
    torch.manual_seed(26)
    detect = Detect(channels=4, classes=2, anchors=[[10, 13], [16, 30]], stride=8)
    features = torch.randn(2, 4, 3, 3, requires_grad=True)
    target = torch.tensor([[12.0, 12.0, 20.0, 20.0], [8.0, 4.0, 10.0, 16.0]])
    target[:, 2:] += 1.0
    decoded = detect(features)
    loss = box_loss(decoded, target)
    loss.backward()
    return {"decoded": decoded.detach(), "features.grad": features.grad, "head.grad": detect.head.weight.grad}


if __name__ == "__main__":
    print(main()["decoded"][0, 0])
