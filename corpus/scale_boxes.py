"""Box regression with the usual utility functions that rescale and clip boxes in place.

`scale_boxes` and `clip_boxes` return nothing: whoever calls them wants his boxes changed. Their writes through slices
do no harm here. The generalised IoU squares a difference and then divides the enclosing area in place: backward raises.
"""

import torch
from torch import nn


def scale_boxes(boxes, width, height):
    """Relative (N, 4) corners to pixels, in place."""
    boxes[:, 0::2] *= width
    boxes[:, 1::2] *= height


def clip_boxes(boxes, width, height):
    """Keep (N, 4) corners inside the image, in place."""
    boxes[:, 0::2].clamp_(0, width)
    boxes[:, 1::2].clamp_(0, height)


def area(boxes):
    """Areas (N,) of corner boxes."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def giou_loss(a, b, eps=1e-6):
    """One minus the generalised intersection over union of matched boxes."""
    lower = torch.maximum(a[:, :2], b[:, :2])
    upper = torch.minimum(a[:, 2:], b[:, 2:])
    overlap = (upper - lower).clamp(min=0).prod(dim=1)
    union = area(a) + area(b) - overlap
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(dim=1)
    waste = (hull - union) / (hull + eps)
    hull /= hull.max() + eps
    return (1 - overlap / (union + eps) + waste + 0.01 * hull).mean()


class BoxHead(nn.Module):
    """Features (N, D) -> relative corners (N, 4), ordered."""

    def __init__(self, dim):
        super().__init__()
        self.linear = nn.Linear(dim, 4)

    def forward(self, features):
        first, size = self.linear(features).sigmoid().split(2, dim=1)
        return torch.cat([first, first + size], dim=1)


def main():
    torch.manual_seed(64)
    head = BoxHead(5)
    boxes = head(torch.randn(4, 5))
    targets = torch.tensor([[0.1, 0.1, 0.5, 0.6]]).repeat(4, 1)
    for item in (boxes, targets):
        scale_boxes(item, 64, 48)
    clip_boxes(boxes, 64, 48)
    loss = giou_loss(boxes, targets)
    loss.backward()
    return {"boxes": boxes.detach(), "loss": loss.detach(), **{n: p.grad for n, p in head.named_parameters()}}


if __name__ == "__main__":
    print(main()["loss"])
