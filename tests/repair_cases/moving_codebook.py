"""Vector quantiser whose codebook follows the codes by moving averages during the forward."""

import torch
from torch import nn


class Quantiser(nn.Module):
    def __init__(self, codes, size, decay=0.9):
        super().__init__()
        self.decay = decay
        self.register_buffer("codebook", torch.randn(codes, size))
        self.register_buffer("counts", torch.ones(codes))

    def forward(self, z):
        similarity = z @ self.codebook.t()
        weights = similarity.softmax(dim=1)
        quantised = weights @ self.codebook
        with torch.no_grad():
            hard = nn.functional.one_hot(weights.argmax(dim=1), len(self.codebook)).float()
            self.counts.mul_(self.decay).add_(hard.sum(dim=0), alpha=1 - self.decay)
            self.codebook.mul_(self.decay).add_(hard.t() @ z, alpha=1 - self.decay)
        return quantised


def main():
    torch.manual_seed(58)
    encoder, quantiser, decoder = nn.Linear(3, 2), Quantiser(4, 2), nn.Linear(2, 3)
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    x = torch.randn(6, 3)
    x -= x.mean(dim=0)
    losses = []
    for _ in range(2):
        loss = (decoder(quantiser(encoder(x))) - x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "codebook": quantiser.codebook, "counts": quantiser.counts, "grads": [p.grad for p in parameters]}


if __name__ == "__main__":
    print(main()["losses"])
