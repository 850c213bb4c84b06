"""A dataset and a collate function: tensors here are data and are edited before any model sees them."""

import random

import torch
from torch.utils.data import DataLoader, Dataset


class Blobs(Dataset):
    """Gaussian blobs on small images, (1, 6, 6) float32 with an integer label."""

    def __init__(self, count, seed):
        self.rng = random.Random(seed)
        generator = torch.Generator().manual_seed(seed)
        self.images = torch.rand(count, 1, 6, 6, generator=generator)
        self.labels = [i % 2 for i in range(count)]
        self.served = 0

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        image = torch.zeros(1, 6, 6)
        row = 1 + 2 * self.labels[index]
        image[:, row] = 1.0
        image[0, 0, 0] += 0.5
        self.served += 1
        label = self.labels[index]
        label += 0
        return image, label


def collate(samples):
    """Stack images, pad nothing, count labels."""
    images = [image for image, _ in samples]
    labels = []
    for _, label in samples:
        labels += [label]
    return torch.stack(images), torch.tensor(labels)


def main():
    dataset = Blobs(6, seed=18)
    loader = DataLoader(dataset, batch_size=3, collate_fn=collate)
    weight = torch.zeros(36, requires_grad=True)
    losses = []
    for images, labels in loader:
        score = images.flatten(1) @ weight
        loss = torch.nn.functional.binary_cross_entropy_with_logits(score, labels.float())
        loss.backward()
        losses += [loss.item()]
    return {"losses": losses, "served": dataset.served, "weight.grad": weight.grad}


if __name__ == "__main__":
    print(main()["losses"])
