"""Generators that group sentences into batches; their state is numbers, lists and strings."""

import torch


def bucketed(lengths, budget):
    """Yield lists of indices whose padded size stays within the budget."""
    batch, longest, waste = [], 0, 0
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        longest = max(longest, lengths[index])
        if batch and longest * (len(batch) + 1) > budget:
            yield batch, waste
            batch, longest, waste = [], lengths[index], 0
        batch += [index]
        waste += longest - lengths[index]
    if batch:
        yield batch, waste


def windows(text, size):
    """Overlapping character windows."""
    start = 0
    while start + size <= len(text):
        yield text[start : start + size]
        start += size // 2


def main():
    lengths = [4, 9, 2, 7, 3, 8]
    batches = []
    total_waste = 0
    for batch, waste in bucketed(lengths, budget=16):
        batches.append(batch)
        total_waste += waste
    joined = ""
    for piece in windows("abcdefgh", 4):
        joined += piece + "|"
    embedding = torch.nn.Embedding(10, 2, _weight=torch.ones(10, 2))
    loss = sum(embedding(torch.tensor(b)).sum() for b in batches)
    loss.backward()
    return {"batches": batches, "waste": total_waste, "joined": joined, "grad": embedding.weight.grad}


if __name__ == "__main__":
    print(main())
