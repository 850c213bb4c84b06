"""Colours packed into integers, and palettes as byte strings: shifts and masks, no tensor is written."""

import torch


def pack(red, green, blue):
    """One integer."""
    value = red
    value <<= 8
    value |= green
    value <<= 8
    value |= blue
    return value


def unpack(value):
    """Three integers."""
    parts = []
    for _ in range(3):
        parts.insert(0, value & 0xFF)
        value >>= 8
    return tuple(parts)


def gradient(start, stop, steps):
    """Packed colours between two."""
    colours, blend = [], 0.0
    for _ in range(steps):
        mixed = [round(a + (b - a) * blend) for a, b in zip(unpack(start), unpack(stop), strict=True)]
        colours += [pack(*mixed)]
        blend += 1 / (steps - 1)
    return colours


def main():
    colours = gradient(pack(255, 0, 0), pack(0, 0, 255), 3)
    image = torch.tensor([unpack(colour) for colour in colours], dtype=torch.uint8)
    return {"colours": colours, "image": image, "mean": image.float().mean(dim=0)}


if __name__ == "__main__":
    print(main())
