"""The averaged copy of a network; this file knows torch by its layers alone."""

import copy

import torch.nn as nn


class MeanTeacher(nn.Module):
    def __init__(self, student, alpha=0.99):
        super().__init__()
        self.student, self.teacher = student, copy.deepcopy(student)
        self.alpha, self.global_step = alpha, 0

    def update_teacher(self):
        alpha = min(1 - 1 / (self.global_step + 1), self.alpha)
        for ema_param, param in zip(self.teacher.parameters(), self.student.parameters()):
            ema_param.mul_(alpha).add_(param, alpha=1 - alpha)
        self.global_step += 1

    def forward(self, x, noisy):
        return self.student(x), self.teacher(noisy).detach()
