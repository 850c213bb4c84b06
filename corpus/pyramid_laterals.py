"""A feature pyramid adds each level to the one above it, in a list of laterals that were kept by their squashing."""

import torch
import torch.nn.functional as F
from torch import nn


class Pyramid(nn.Module):
    """Levels of a backbone, from fine to coarse, and one map for each of them."""

    def __init__(self, widths: tuple[int, ...], width: int):
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(w, width, 1) for w in widths)
        self.smooth = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in widths)
        self.steps = [0] * len(widths)

    def forward(self, levels: list[torch.Tensor]) -> list[torch.Tensor]:
        laterals = [torch.sigmoid(layer(level)) for layer, level in zip(self.lateral, levels)]
        for i in range(len(laterals) - 1, 0, -1):
            size = laterals[i - 1].shape[-2:]
            laterals[i - 1] += F.interpolate(laterals[i], size=size, mode="nearest")
            self.steps[i] += 1
        pooled = {"coarse": laterals[-1].mean(dim=(2, 3)), "fine": torch.tanh(laterals[0]).mean(dim=(2, 3))}
        pooled["fine"] *= 0.5
        pooled["coarse"].clamp_(max=0.9)
        maps = [layer(level) for layer, level in zip(self.smooth, laterals)]
        return [*maps, pooled["fine"] + pooled["coarse"]]


def main():
    torch.manual_seed(8)
    pyramid = Pyramid((3, 4, 5), 4)
    levels = [torch.randn(2, c, s, s) for c, s in ((3, 8), (4, 4), (5, 2))]
    outputs = pyramid(levels)
    loss = sum(out.square().mean() for out in outputs)
    loss.backward()
    return {
        "outputs": [out.detach() for out in outputs],
        "loss": loss.detach(),
        "steps": pyramid.steps,
        **{f"grad.{name}": p.grad for name, p in pyramid.named_parameters()},
    }


if __name__ == "__main__":
    print(main()["loss"])
