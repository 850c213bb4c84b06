"""Consistency of a student with its averaged teacher."""

import torch
import torch.nn.functional as F
from teacher import MeanTeacher


def mlp(*sizes):
    layers = []
    for a, b in zip(sizes[:-1], sizes[1:]):
        layers += [torch.nn.Linear(a, b), torch.nn.Tanh()]
    return torch.nn.Sequential(*layers[:-1])


def objective(model, x, noisy):
    answers, targets = model(x, noisy)
    return F.mse_loss(answers.softmax(-1), targets.softmax(-1)) + answers.pow(2).mean()


def main():
    torch.manual_seed(7)
    model = MeanTeacher(mlp(3, 5, 2))
    optimizer = torch.optim.SGD(model.student.parameters(), lr=0.1)
    losses = []
    for _ in range(3):
        x = torch.randn(4, 3)
        loss = objective(model, x, x + 0.1 * torch.randn_like(x))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        model.update_teacher()
        losses.append(loss.item())
    leaves = all(each.is_leaf for each in model.teacher.parameters())
    return {"losses": losses, "state": model.state_dict(), "leaves": leaves}


if __name__ == "__main__":
    print(main()["losses"])
