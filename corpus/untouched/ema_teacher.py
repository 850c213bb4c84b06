"""Mean teacher: the teacher's weights follow the student's as an exponential moving average, without gradient."""

import copy

import torch
from torch import nn


class MeanTeacher:
    """Holds a copy of the model and blends the student's parameters into it."""

    def __init__(self, model, decay=0.9):
        self.model = copy.deepcopy(model)
        self.decay = decay
        self.updates = 0
        for p in self.model.parameters():
            p.requires_grad_(False)

    @torch.no_grad()
    def update(self, student):
        self.updates += 1
        decay = min(self.decay, self.updates / (self.updates + 10))
        for mine, theirs in zip(self.model.parameters(), student.parameters(), strict=True):
            mine.mul_(decay).add_(theirs, alpha=1 - decay)
        for mine, theirs in zip(self.model.buffers(), student.buffers(), strict=True):
            mine.copy_(theirs)


def main():
    torch.manual_seed(4)
    student = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 2))
    teacher = MeanTeacher(student)
    optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
    for _ in range(3):
        x = torch.randn(8, 3)
        with torch.no_grad():
            target = teacher.model(x)
        loss = (student(x) - target).square().mean() + student(x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        teacher.update(student)
    return {"updates": teacher.updates, "loss": loss.detach(), **teacher.model.state_dict()}


if __name__ == "__main__":
    print(main()["updates"])
