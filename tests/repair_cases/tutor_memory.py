"""A controller with a written memory answers questions, and is taught after each; memory and last answer go on."""

import torch
from torch import nn


class Board:
    def __init__(self, slots, size):
        self.lines = torch.zeros(slots, size)

    def read(self, key):
        return (self.lines @ key).softmax(dim=0) @ self.lines

    def write(self, key, line):
        where = torch.softmax(self.lines @ key, dim=0)
        self.lines = self.lines * 0.9 + where[:, None] * line


class Controller(nn.Module):
    def __init__(self, size=4):
        super().__init__()
        self.board = Board(3, size)
        self.hear, self.key = nn.Linear(2 * size, size), nn.Linear(size, size)
        self.say = nn.Linear(2 * size, size)
        self.said = torch.zeros(size)

    def forward(self, question):
        heard = torch.tanh_(self.hear(torch.cat([question, self.said])))
        key = self.key(heard)
        found = self.board.read(key)
        self.board.write(key, heard)
        self.said = self.say(torch.cat([heard, found]))
        return self.said


def main():
    torch.manual_seed(87)
    model = Controller()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    questions, answers = torch.randn(3, 2, 4), torch.randn(3, 4)
    losses = torch.zeros(3)
    for lesson, (asked, answer) in enumerate(zip(questions, answers)):
        for question in asked:
            said = model(question)
        loss = (said - answer).square().mean()
        optimizer.zero_grad()
        loss.backward(retain_graph=True)
        optimizer.step()
        losses[lesson] = loss.detach()
    return {"losses": losses, "board": model.board.lines.detach(), "weights": model.state_dict()}


if __name__ == "__main__":
    print(main()["losses"])
