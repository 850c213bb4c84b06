"""Towns are visited one by one; the mask of those that were is updated in place after it masked the scores."""

import torch
from torch import nn
import torch.nn.functional as F


class Pointer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.embed = nn.Linear(2, width)
        self.query = nn.Linear(width, width)

    def forward(self, towns):
        h = self.embed(towns)
        visited = torch.zeros(towns.shape[:2], dtype=torch.bool)
        at, total = h.mean(1), 0
        for _ in range(towns.shape[1] - 1):
            scores = torch.einsum("bnd,bd->bn", h, self.query(at))
            chance = scores.masked_fill(visited, -1e9).log_softmax(-1)
            choice = chance.argmax(-1)
            total = total + chance.gather(1, choice[:, None]).squeeze(1)
            visited.scatter_(1, choice[:, None], True)
            at = h[torch.arange(len(h)), choice]
        return total


def main():
    torch.manual_seed(1)
    net = Pointer(8)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    x = torch.rand(3, 5, 2)
    losses = []
    for _ in range(2):
        loss = -net(x).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "grads": [p.grad for p in net.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
