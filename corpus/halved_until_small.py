"""A temperature is halved in the test of its loop, and a gate is squashed in a condition: both after they were kept."""

import torch
from torch import nn


class SoftAssignment(nn.Module):
    """Assigns points to centres, sharper at every round, until no distance is large."""

    def __init__(self, width: int, centres: int):
        super().__init__()
        self.centres = nn.Parameter(torch.randn(centres, width))
        self.gate = nn.Linear(width, centres)
        self.rounds = 0

    def forward(self, points: torch.Tensor, sharpen: bool = True) -> torch.Tensor:
        distance = torch.cdist(points, self.centres).exp()
        weights = torch.softmax(-distance, dim=1)
        self.rounds = 0
        while distance.mul_(0.5).max() > 2.0:
            weights = weights + torch.softmax(-distance, dim=1)
            self.rounds += 1
        gate = torch.sigmoid(self.gate(points))
        keep = gate * weights
        sharp = sharpen and gate.mul_(2.0).clamp(max=1.0)
        return keep * sharp + gate if sharpen else keep + gate


def main():
    torch.manual_seed(3)
    model = SoftAssignment(4, 3)
    points = torch.randn(5, 4)
    target = torch.rand(5, 3)
    results = {}
    for sharpen in (True, False):
        assigned = model(points, sharpen)
        loss = nn.functional.mse_loss(assigned, target)
        loss.backward()
        results |= {f"assigned {sharpen=}": assigned.detach(), f"loss {sharpen=}": loss.detach()}
    return {
        **results,
        **{f"grad.{name}": p.grad for name, p in model.named_parameters()},
        "rounds": model.rounds,
    }


if __name__ == "__main__":
    print(main()["loss sharpen=True"])
