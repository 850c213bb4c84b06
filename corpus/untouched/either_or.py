"""Names that stand for one of two things on each way, of which nothing that matters to a gradient is written."""

import torch
from torch import nn


def chosen(x, *, halved):
    picked = x if halved else x.clone()
    picked = picked * 2
    return picked + x


def counted(lists, *, first):
    chosen_list = lists[0] if first else lists[1]
    chosen_list += [1]
    total = 0 if first else len(lists)
    total += 1
    return total


def masked(mask, *, copied):
    kept = mask.clone() if copied else mask
    kept |= torch.tensor([True, False, False])
    return kept


def main():
    torch.manual_seed(6)
    linear = nn.Linear(3, 3)
    h = torch.sigmoid(linear(torch.randn(2, 3)))
    out = chosen(h, halved=True) + chosen(h, halved=False)
    mask = masked(torch.tensor([False, False, True]), copied=True)
    loss = out[:, mask].square().mean()
    loss.backward()
    return {"loss": loss.detach(), "count": torch.tensor(counted([[1], [2]], first=False)), "weight": linear.weight.grad}


if __name__ == "__main__":
    print(main()["loss"])
