"""What the tracer costs: traced and plain steps in turn, in one process, best of several rounds.

    python tests/benchmarks/tracer.py [--rounds N]

Prints milliseconds of processor time per step and the ratio to the plain step, on one thread; on a busy machine the
milliseconds move more than the ratios. Wanted, without content: at most 1.4 for the convolutional step and 5 for the
toy one.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable

import torch
from torch import nn

from fixinplace.trace.tracer import Options, Tracer

LIMITS = {"convolutional": 1.4, "toy MLP": 5.0}
WAYS: dict[str, Callable[[], contextlib.AbstractContextManager[object]]] = {
    "plain": contextlib.nullcontext,
    "traced": Tracer,
    "traced, content": lambda: Tracer(Options(content=True)),
}


def trainer(model: nn.Module, batch: torch.Tensor) -> Callable[[], None]:
    """One training step with SGD on ten classes."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    labels = torch.randint(10, (len(batch),))

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(batch), labels).backward()
        optimizer.step()

    return step


def toy() -> tuple[Callable[[], None], int]:
    """Three linear layers on 16 rows."""
    layers = (nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    return trainer(nn.Sequential(*layers), torch.randn(16, 32)), 100


def convolutional() -> tuple[Callable[[], None], int]:
    """Four blocks of convolution, batch norm and in-place ReLU on 8 images of 32 by 32."""
    blocks: list[nn.Module] = []
    for channels in (3, 32, 32, 32):
        blocks += (nn.Conv2d(channels, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(inplace=True))
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))
    return trainer(nn.Sequential(*blocks, *head), torch.randn(8, 3, 32, 32)), 8


def measure(step: Callable[[], None], steps: int, rounds: int) -> dict[str, float]:
    """Seconds per step, the best of `rounds` for each way, taken in turn."""
    best = dict.fromkeys(WAYS, float("inf"))
    for _ in range(rounds):
        for way, context in WAYS.items():
            with context():
                step()
                start = time.process_time()
                for _ in range(steps):
                    step()
                best[way] = min(best[way], (time.process_time() - start) / steps)
    return best


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    torch.manual_seed(0)
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, best of {rounds} rounds")
    for name, (step, steps) in {"convolutional": convolutional(), "toy MLP": toy()}.items():
        best = measure(step, steps, rounds)
        for way, seconds in best.items():
            wanted = f"  (at most {LIMITS[name]})" if way == "traced" else ""
            print(f"{name:14}  {way:16}  {seconds * 1e3:8.3f} ms  x{seconds / best['plain']:.2f}{wanted}")


if __name__ == "__main__":
    main()
