"""Knowledge distillation with temperature, plus a confidence penalty.

`softmax` keeps its output; clamping the student's probabilities in place, in the return of a helper, overwrites it, and
backward raises. Scaling the finished losses in place is harmless.
"""

import torch
import torch.nn.functional as F
from torch import nn


def probabilities(logits, temperature):
    """Softened probabilities, kept away from zero for the logarithm."""
    p = F.softmax(logits / temperature, dim=1)
    return p.clamp_(1e-4, 1.0)


def distillation_loss(student, teacher, labels, temperature=4.0, weight=0.7):
    """student, teacher: logits (N, K); labels (N,)."""
    p = probabilities(student, temperature)
    with torch.no_grad():
        q = F.softmax(teacher.div_(temperature), dim=1)
    soft = (q * (q.log() - p.log())).sum(1).mean()
    soft *= temperature * temperature
    soft *= weight
    hard = F.cross_entropy(student, labels)
    return soft + hard.mul_(1 - weight)


def student_network(dim, classes):
    """A deliberately small student."""
    return nn.Sequential(nn.Linear(dim, 6), nn.SiLU(), nn.Linear(6, classes))


def main():
    torch.manual_seed(42)
    teacher = nn.Linear(5, 3)
    student = student_network(5, 3)
    meter = {"steps": 0, "soft": 0.0}
    optimizer = torch.optim.SGD(student.parameters(), lr=0.1, momentum=0.9)
    for _ in range(2):
        x = torch.randn(8, 5)
        with torch.no_grad():
            target = teacher(x)
        loss = distillation_loss(student(x), target, target.argmax(1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        meter["steps"] += 1
        meter["soft"] += loss.item()
    return {**meter, **{name: p.grad for name, p in student.named_parameters()}}


if __name__ == "__main__":
    print(main()["soft"])
