"""Ragged sequences padded into batches: loops over lists, stores into fresh buffers of data."""

import torch
from torch import nn


def collate(sequences, value=0.0):
    """(N, L, D) padded floats, (N, L) mask, lengths."""
    longest = max(len(s) for s in sequences)
    batch = torch.full((len(sequences), longest, len(sequences[0][0])), value)
    mask = torch.zeros(len(sequences), longest)
    lengths = []
    for i, sequence in enumerate(sequences):
        batch[i, : len(sequence)] = torch.tensor(sequence)
        mask[i, : len(sequence)] = 1
        lengths += [len(sequence)]
    return batch, mask, lengths


def main():
    torch.manual_seed(80)
    sequences = [[[0.1, 0.2], [0.3, 0.4]], [[1.0, 2.0]], [[0.5, 0.5], [0.2, 0.1], [0.9, 0.8]]]
    batch, mask, lengths = collate(sequences)
    net = nn.Linear(2, 3)
    out = torch.tanh(net(batch)) * mask.unsqueeze(-1)
    pooled = out.sum(dim=1) / mask.sum(dim=1, keepdim=True)
    pooled.square().mean().backward()
    return {"batch": batch, "lengths": lengths, "pooled": pooled.detach(), "grad": net.weight.grad}


if __name__ == "__main__":
    print(main()["lengths"])
