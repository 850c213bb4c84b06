"""Loops over lists and dicts whose elements are numbers, lists, arrays, or new tensors, and what is scaled has no graph."""

import torch


def weighted(values, weights):
    scaled = [value * weight for value, weight in zip(values, weights, strict=True)]
    for i, one in enumerate(scaled):
        scaled[i] = one + 1
    return scaled


def halved(counts):
    for count in counts.values():
        count //= 2
    return counts


def longer(rows):
    for row in rows:
        row += [0]
    return rows


def normalised(batches):
    batches = [batch - batch.min() for batch in batches]
    for batch in batches:
        batch /= batch.max()  # images, which no gradient reaches
    return batches


def main():
    torch.manual_seed(5)
    weight = torch.ones(3, requires_grad=True)
    images = normalised([torch.rand(3), torch.rand(3)])
    out = sum(weighted([weight * image for image in images], [1, 2]))
    out.sum().backward()
    counts = halved({"seen": 4, "lost": 2})
    return {"out": out.detach(), "weight": weight.grad, "rows": torch.tensor(longer([[1], [2]])), **{
        name: torch.tensor(count) for name, count in counts.items()}}


if __name__ == "__main__":
    print(main()["out"])
