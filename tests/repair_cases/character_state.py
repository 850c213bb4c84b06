"""Stateful character model: the hidden state goes on from chunk to chunk, with the graph that made it."""

import torch
from torch import nn


class Characters(nn.Module):
    def __init__(self, vocabulary, hidden):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, 3)
        self.cell = nn.GRUCell(3, hidden)
        self.out = nn.Linear(hidden, vocabulary)

    def forward(self, ids, h):
        logits = []
        for t in range(ids.shape[1]):
            h = self.cell(self.embed(ids[:, t]), h)
            logits.append(self.out(h))
        return torch.stack(logits, dim=1), h


def main():
    torch.manual_seed(71)
    model = Characters(5, 4)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    text = torch.randint(0, 5, (2, 13))
    average = torch.zeros(())
    h = torch.zeros(2, 4)
    for start in range(0, 12, 4):
        logits, h = model(text[:, start : start + 4], h)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), text[:, start + 1 : start + 5].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.mul_(0.9).add_(loss.detach(), alpha=0.1)
    return {"average": average, "h": h, "weights": list(model.parameters())}


if __name__ == "__main__":
    print(main()["average"])
