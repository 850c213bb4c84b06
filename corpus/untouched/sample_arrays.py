"""Audio samples in the standard library's `array`, edited element by element."""

from array import array
from math import sin


def tone(count, step):
    """A sine in signed 16-bit samples."""
    samples = array("h", [0]) * count
    for i in range(count):
        samples[i] = int(1000 * sin(step * i))
    return samples


def fade(samples, length):
    """Fade in, in place."""
    for i in range(length):
        samples[i] *= i
        samples[i] //= length


def mix(a, b):
    """Sum of two signals of equal length, in the storage of the first."""
    for i, value in enumerate(b):
        a[i] += value
    return a


def main():
    left, right = tone(12, 0.5), tone(12, 0.7)
    fade(left, 4)
    mixed = mix(left, right)
    mixed += array("h", [7, 8])
    mixed *= 2
    mixed[-2:] = array("h", [1, 2])
    peaks = array("d")
    peaks += array("d", [max(mixed), min(mixed)])
    peaks[0] /= 2
    return {"mixed": mixed.tolist(), "peaks": peaks.tolist()}


if __name__ == "__main__":
    print(main())
