"""Losses on a batch: a dictionary of `image` (N, C, H, W) and `label` (N, H, W), 255 where nothing was drawn."""

import torch.nn.functional as F

IGNORE = 255


def main_loss(logits, batch):
    return F.cross_entropy(logits, batch["label"], ignore_index=IGNORE)


def auxiliary_loss(logits, batch):
    """The side head also learns the unlabelled border, as background."""
    label = batch["label"]
    label[label == IGNORE] = 0
    return F.cross_entropy(logits, label)
