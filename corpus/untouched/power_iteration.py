"""Largest singular value by power iteration with `out=` into preallocated vectors, all under `no_grad`."""

import torch


class SpectralNorm:
    """Keeps the iteration vectors of one matrix."""

    def __init__(self, rows, columns):
        self.u = torch.ones(rows)
        self.v = torch.ones(columns)
        self.iterations = 0

    def estimate(self, matrix, rounds):
        with torch.no_grad():
            for _ in range(rounds):
                torch.mv(matrix.t(), self.u, out=self.v)
                self.v /= self.v.norm()
                torch.mv(matrix, self.v, out=self.u)
                self.u.div_(self.u.norm())
                self.iterations += 1
            u, v = self.u.clone(), self.v.clone()
        return torch.dot(u, torch.mv(matrix, v))


def main():
    torch.manual_seed(27)
    matrix = torch.randn(4, 3, requires_grad=True)
    norm = SpectralNorm(4, 3)
    sigma = norm.estimate(matrix, 20)
    sigma.backward()
    return {"sigma": sigma.detach(), "matrix.grad": matrix.grad, "iterations": norm.iterations}


if __name__ == "__main__":
    print(main())
