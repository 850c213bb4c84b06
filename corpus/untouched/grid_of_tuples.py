"""A sparse grid: a dict with tuple keys, so that `grid[y, x] += 1` looks like a tensor's store."""

from collections import defaultdict

import torch


class Grid:
    """Values at (y, x), zero elsewhere."""

    def __init__(self):
        self.cells = {}

    def __getitem__(self, place):
        return self.cells.get(place, 0.0)

    def __setitem__(self, place, value):
        self.cells[place] = value

    def dense(self, height, width):
        return torch.tensor([[self[y, x] for x in range(width)] for y in range(height)])


def paths(height, width):
    """Number of monotone paths to every cell."""
    count = defaultdict(int)
    count[0, 0] = 1
    for y in range(height):
        for x in range(width):
            if y:
                count[y, x] += count[y - 1, x]
            if x:
                count[y, x] += count[y, x - 1]
    return count


def main():
    grid = Grid()
    grid[1, 2] += 3.0
    grid[1, 2] *= 2
    grid[0, 0] -= 1.0
    counts = paths(3, 4)
    return {"dense": grid.dense(2, 3), "paths": counts[2, 3]}


if __name__ == "__main__":
    print(main())
