"""Conway's game of life on an integer tensor, and the same rule on a set of cells."""

import torch


def step(grid):
    """Next generation of a (H, W) int64 grid with wrap-around."""
    neighbours = torch.zeros_like(grid)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            if dy or dx:
                neighbours += grid.roll((dy, dx), (0, 1))
    following = torch.zeros_like(grid)
    following[(neighbours == 3) | ((grid == 1) & (neighbours == 2))] = 1
    return following


def step_set(cells, size):
    """The same on a set of (y, x)."""
    counts = {}
    for y, x in cells:
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                if dy or dx:
                    cell = ((y + dy) % size, (x + dx) % size)
                    counts[cell] = counts.get(cell, 0) + 1
    following = {cell for cell, n in counts.items() if n == 3}
    following |= {cell for cell in cells if counts.get(cell) == 2}
    return following


def main():
    grid = torch.zeros(6, 6, dtype=torch.long)
    cells = {(1, 2), (2, 3), (3, 1), (3, 2), (3, 3)}
    for y, x in cells:
        grid[y, x] = 1
    for _ in range(3):
        grid, cells = step(grid), step_set(cells, 6)
    return {"grid": grid, "equal": cells == {tuple(place) for place in grid.nonzero().tolist()}}


if __name__ == "__main__":
    print(main())
