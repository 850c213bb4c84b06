"""K-means clustering in plain tensors: nothing requires grad from the first line to the last."""

import torch


def k_means(points, k, rounds, generator):
    """points (N, D) -> centres (k, D), labels (N,), inertia."""
    order = torch.randperm(len(points), generator=generator)
    centres = points[order[:k]].clone()
    labels = torch.zeros(len(points), dtype=torch.int64)
    for _ in range(rounds):
        distance = torch.cdist(points, centres)
        labels.copy_(distance.argmin(dim=1))
        sums = torch.zeros(k, points.shape[1])
        sums.index_add_(0, labels, points)
        counts = torch.zeros(k)
        for label in labels.tolist():
            counts[label] += 1
        counts.clamp_(min=1)
        for j in range(k):
            centres[j] = sums[j] / counts[j]
    inertia = 0.0
    for i, label in enumerate(labels.tolist()):
        inertia += float((points[i] - centres[label]).square().sum())
    return centres, labels, inertia


def main():
    generator = torch.Generator().manual_seed(30)
    blobs = torch.randn(12, 2, generator=generator)
    blobs[:6] += 4.0
    with torch.no_grad():
        centres, labels, inertia = k_means(blobs, 2, 4, generator)
    return {"centres": centres, "labels": labels, "inertia": inertia}


if __name__ == "__main__":
    print(main())
