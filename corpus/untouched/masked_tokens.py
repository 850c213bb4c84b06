"""Inputs of a masked language model: integer ids and labels are edited in place before any model sees them."""

import torch
import torch.nn.functional as F
from torch import nn

MASK, IGNORE = 1, -100


def corrupt(ids, generator):
    """Ids with some tokens masked or replaced, and labels that are IGNORE elsewhere."""
    ids, labels = ids.clone(), ids.clone()
    draw = torch.rand(ids.shape, generator=generator)
    chosen = draw < 0.4
    chosen[:, 0] = False
    labels[~chosen] = IGNORE
    ids[chosen & (draw < 0.3)] = MASK
    swap = chosen & (draw >= 0.35)
    ids[swap] = torch.randint(2, 9, (int(swap.sum()),), generator=generator)
    return ids, labels


def main():
    torch.manual_seed(56)
    generator = torch.Generator().manual_seed(1)
    ids, labels = corrupt(torch.randint(2, 9, (3, 6)), generator)
    embed, head = nn.Embedding(9, 4), nn.Linear(4, 9)
    loss = F.cross_entropy(head(embed(ids)).flatten(0, 1), labels.flatten(), ignore_index=IGNORE)
    loss.backward()
    return {"ids": ids, "labels": labels, "loss": loss.detach(), "grad": embed.weight.grad}


if __name__ == "__main__":
    print(main()["ids"])
