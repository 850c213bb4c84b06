"""A student that is trained and a teacher that averages its weights; the teacher's answers are the targets."""

import copy

import torch
from torch import nn


class Averaged:
    def __init__(self, student, decay):
        self.model, self.decay = copy.deepcopy(student), decay

    def update(self, student):
        for mean, weight in zip(self.model.parameters(), student.parameters()):
            mean.mul_(self.decay).add_(weight, alpha=1 - self.decay)

    @torch.no_grad()
    def targets(self, x):
        return self.model(x).softmax(dim=1)


def objective(student, x, labels, targets):
    scores = student(x)
    loss = nn.functional.cross_entropy(scores, labels)
    loss += 0.5 * (scores.softmax(dim=1) - targets).square().sum(dim=1).mean()
    return loss


def main():
    torch.manual_seed(76)
    student = nn.Sequential(nn.Linear(3, 6), nn.ReLU(inplace=True), nn.Linear(6, 3))
    teacher = Averaged(student, decay=0.9)
    optimizer = torch.optim.SGD(student.parameters(), lr=0.3)
    losses = []
    for _ in range(3):
        x, labels = torch.randn(4, 3), torch.randint(3, (4,))
        loss = objective(student, x, labels, teacher.targets(x))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        teacher.update(student)
        losses.append(loss.item())
    leaves = all(each.is_leaf for each in teacher.model.parameters())
    return {"losses": losses, "student": student.state_dict(), "teacher": teacher.model.state_dict(), "leaves": leaves}


if __name__ == "__main__":
    print(main()["losses"])
