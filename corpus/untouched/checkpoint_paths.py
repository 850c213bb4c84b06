"""Path arithmetic: `/=` joins path components, `+=` appends to strings and lists of paths."""

from pathlib import Path, PurePosixPath

import torch


class Checkpoints:
    """Names of checkpoint files below a folder that is never created."""

    def __init__(self, root):
        self.folder = Path(root)
        self.folder /= "checkpoints"
        self.kept = []

    def path(self, step, tag=""):
        name = f"step-{step:05d}"
        if tag:
            name += f"-{tag}"
        path = self.folder
        path /= name
        path = path.with_suffix(".pt")
        self.kept += [path]
        return path


def data_root(*parts):
    """A POSIX path from its parts."""
    root = PurePosixPath("/data")
    for part in parts:
        root /= part
    return root


def main():
    checkpoints = Checkpoints("runs")
    weight = torch.ones(2, requires_grad=True)
    for step in range(0, 20, 10):
        loss = (weight * step).sum()
        loss.backward()
        checkpoints.path(step, tag="best" if step else "")
    return {
        "paths": [p.as_posix() for p in checkpoints.kept],
        "root": str(data_root("images", "train")),
        "weight.grad": weight.grad,
    }


if __name__ == "__main__":
    print(main())
