"""Scheduled sampling: the token buffer that feeds the embedding is filled with the model's own choices."""

import torch
import torch.nn.functional as F
from torch import nn


class Decoder(nn.Module):
    def __init__(self, vocabulary, size):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, size)
        self.cell = nn.GRUCell(size, size)
        self.out = nn.Linear(size, vocabulary)

    def forward(self, tokens, sample_from):
        h = torch.zeros(len(tokens), self.cell.hidden_size)
        logits = []
        for t in range(tokens.size(1) - 1):
            h = self.cell(self.embed(tokens[:, t]), h)
            logits.append(self.out(h))
            if t >= sample_from:
                tokens[:, t + 1] = logits[-1].argmax(dim=1)
        return torch.stack(logits, dim=1)


def main():
    torch.manual_seed(36)
    model = Decoder(6, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
    data = torch.randint(0, 6, (3, 5))
    losses = []
    for _ in range(2):
        tokens = data.clone()
        tokens[:, 0] = 0
        logits = model(tokens, sample_from=2)
        loss = F.cross_entropy(logits.flatten(0, 1), data[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "tokens": tokens, "grads": [p.grad for p in model.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
