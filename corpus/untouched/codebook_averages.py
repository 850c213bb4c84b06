"""Vector quantisation whose codebook follows running averages: every update is under `no_grad`."""

import torch
from torch import nn


class Codebook(nn.Module):
    """(N, D) -> nearest codes (N, D) with the straight-through gradient, and their indices."""

    def __init__(self, codes, dim, decay=0.9):
        super().__init__()
        self.decay = decay
        self.register_buffer("vectors", torch.randn(codes, dim))
        self.register_buffer("sizes", torch.ones(codes))
        self.register_buffer("sums", self.vectors.clone())

    @torch.no_grad()
    def update(self, x, index):
        hot = torch.zeros(len(x), len(self.sizes))
        hot.scatter_(1, index.unsqueeze(1), 1.0)
        self.sizes.mul_(self.decay).add_(hot.sum(0), alpha=1 - self.decay)
        self.sums.mul_(self.decay).add_(hot.t() @ x, alpha=1 - self.decay)
        self.vectors.copy_(self.sums / self.sizes.unsqueeze(1))

    def forward(self, x):
        index = torch.cdist(x, self.vectors).argmin(dim=1)
        quantised = self.vectors[index]
        if self.training:
            self.update(x.detach(), index)
        return x + (quantised - x).detach(), index


def main():
    torch.manual_seed(54)
    book, encoder = Codebook(4, 2), nn.Linear(3, 2)
    out, index = book(encoder(torch.randn(6, 3)))
    out.square().mean().backward()
    return {"out": out.detach(), "index": index, "vectors": book.vectors, "grad": encoder.weight.grad}


if __name__ == "__main__":
    print(main()["index"])
