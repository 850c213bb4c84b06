"""Dynamic routing between capsules.

The squash function takes the norm of the capsule inputs, which keeps them, and then rescales them in place: backward
raises. The routing logits are accumulated in place too, and nobody needs their old values.
"""

import torch
from torch import nn


def squash(s):
    """Shrink vectors of the last dimension to a length below one, keeping their direction."""
    v = s * 1.0
    norm = v.norm(dim=-1, keepdim=True)
    v *= norm / (1 + norm**2)
    return v


class Routing(nn.Module):
    """Input capsules (N, I, D) -> output capsules (N, O, E)."""

    def __init__(self, inputs, outputs, dim_in, dim_out, rounds=3):
        super().__init__()
        self.rounds = rounds
        self.weight = nn.Parameter(torch.randn(outputs, inputs, dim_out, dim_in) * 0.2)

    def forward(self, u):
        votes = torch.einsum("oied,nid->noie", self.weight, u)
        logits = votes.new_zeros(votes.shape[:3])
        for step in range(self.rounds):
            coupling = logits.softmax(dim=1)
            v = squash((coupling.unsqueeze(-1) * votes).sum(dim=2))
            if step < self.rounds - 1:
                logits += (votes * v.unsqueeze(2)).sum(-1)
        return v


def margin_loss(capsules, labels, low=0.1, high=0.9):
    """Loss on the lengths of the output capsules, (N, O, E)."""
    length = capsules.norm(dim=-1)
    present = torch.zeros_like(length)
    present[torch.arange(len(labels)), labels] = 1.0
    hit = (high - length).clamp(min=0) ** 2
    miss = (length - low).clamp(min=0) ** 2
    return (present * hit + 0.5 * (1 - present) * miss).sum(1).mean()


def main():
    torch.manual_seed(31)
    layer = Routing(inputs=6, outputs=3, dim_in=4, dim_out=5)
    primary = torch.randn(2, 6, 4, requires_grad=True)
    capsules = layer(primary)
    loss = margin_loss(capsules, torch.tensor([2, 0]))
    loss.backward()
    return {"capsules": capsules.detach(), "primary.grad": primary.grad, "weight.grad": layer.weight.grad}


if __name__ == "__main__":
    print(main()["capsules"].norm(dim=-1))
