"""A reader writes a note on every sentence into a fixed store, and looks at all its notes before the next."""

import torch
from torch import nn


class Store:
    def __init__(self, batch, room, width):
        self.keys, self.notes = torch.zeros(batch, room, width), torch.zeros(batch, room, width)
        self.count = 0

    def write(self, key, note):
        self.keys[:, self.count] = key
        self.notes[:, self.count] = note
        self.count += 1

    def read(self):
        return self.keys[:, : self.count], self.notes[:, : self.count]


class Reader(nn.Module):
    def __init__(self, words=5, width=4):
        super().__init__()
        self.see, self.ask = nn.Linear(words, width), nn.Linear(width, width)
        self.key, self.note = nn.Linear(width, width), nn.Linear(width, width)
        self.answer = nn.Linear(width, 1)

    def forward(self, sentences):
        store = Store(len(sentences), sentences.shape[1], 4)
        thought = torch.zeros(len(sentences), 4)
        for sentence in sentences.unbind(1):
            seen = torch.tanh(self.see(sentence) + thought)
            store.write(self.key(seen), self.note(seen))
            keys, notes = store.read()
            weight = (keys @ self.ask(seen).unsqueeze(2)).softmax(1)
            thought = (weight * notes).sum(1)
        return self.answer(thought)


def main():
    torch.manual_seed(84)
    reader = Reader()
    optimizer = torch.optim.SGD(reader.parameters(), lr=0.1)
    losses = []
    for _ in range(2):
        sentences, y = torch.randn(3, 4, 5), torch.randn(3, 1)
        loss = (reader(sentences) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "grads": [p.grad for p in reader.parameters()]}


if __name__ == "__main__":
    print(main()["losses"])
