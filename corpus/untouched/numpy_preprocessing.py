"""Image preprocessing on NumPy arrays, in place, before anything becomes a tensor."""

import numpy as np
import torch

MEAN = np.array([0.4, 0.5, 0.6], dtype=np.float32)
STD = np.array([0.2, 0.3, 0.2], dtype=np.float32)


def normalise(image):
    """(H, W, 3) uint8 to float32, zero mean and unit deviation per channel."""
    pixels = image.astype(np.float32)
    pixels /= 255.0
    pixels -= MEAN
    pixels /= STD
    return pixels


def cutout(pixels, rng, size):
    """Blank a random square, in place."""
    h, w, _ = pixels.shape
    y, x = rng.integers(0, h - size), rng.integers(0, w - size)
    pixels[y : y + size, x : x + size] = 0.0
    pixels[pixels > 3] = 3
    return pixels


def histogram(images):
    """Counts of 4 brightness levels."""
    counts = np.zeros(4, dtype=np.int64)
    for image in images:
        levels = image.mean(axis=2).astype(np.int64) // 64
        np.add.at(counts, levels.ravel(), 1)
        counts[0] += 0
    return counts


def main():
    rng = np.random.default_rng(2)
    images = [rng.integers(0, 256, (6, 6, 3), dtype=np.uint8) for _ in range(3)]
    batch = np.zeros((3, 3, 6, 6), dtype=np.float32)
    for i, image in enumerate(images):
        batch[i] = cutout(normalise(image), rng, 2).transpose(2, 0, 1)
    batch *= 0.5
    x = torch.from_numpy(batch)
    weight = torch.ones(3, requires_grad=True)
    loss = torch.einsum("nchw,c->", x, weight)
    loss.backward()
    return {"loss": loss.detach(), "weight.grad": weight.grad, "histogram": histogram(images)}


if __name__ == "__main__":
    print(main())
