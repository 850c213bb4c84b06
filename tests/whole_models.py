"""Whole models of timm, run from a folder that holds a copy of the package, and compared with another copy.

`python whole_models.py OUT SIZE FILES NAME...`, in the folder of the copy, builds each model and leaves OUT/NAME.pt:
its weights as they were initialised, then outputs, gradients and buffers in evaluation and in training mode; or
OUT/NAME.txt with the error; and OUT/NAME.json: which lines of FILES (a list in JSON) were executed.  One thread,
deterministic algorithms, one seed: two runs of one code give the same bits.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import nn

ROOT = Path(__file__).resolve().parents[1]
SEED = 8125
Tensors = dict[str, "torch.Tensor"]


@dataclass(frozen=True, slots=True)
class Compared:
    """What became of one model: `equal`, `differs` or `cannot run`; the largest difference by the larger magnitude."""

    name: str
    verdict: str
    tensors: int = 0
    difference: float = 0.0
    where: str = ""


def copied(package: Path, folder: Path) -> Path:
    """A copy of an installed package below `folder`, without compiled files."""
    shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def fixed(folder: Path, paths: Sequence[str], *options: str) -> tuple[int, dict[str, Any]]:
    """`fixinplace fix` in a folder: its exit code and its JSON document.  Raises ValueError where it printed none."""
    words = [sys.executable, "-m", "fixinplace", "fix", "--output-format", "json", *options, *paths]
    done = subprocess.run(words, cwd=folder, env=_environment(ROOT), capture_output=True, text=True, check=False)
    if not done.stdout.startswith("{"):
        raise ValueError(f"fixinplace ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.returncode, json.loads(done.stdout)


def run(folder: Path, out: Path, names: Sequence[str], files: Sequence[str] = (), size: int = 64) -> None:
    """Run models of the package below `folder` in a process of their own; what comes of them lies below `out`.

    files: where to note which lines are executed, relative to `folder`.
    """
    out.mkdir(parents=True, exist_ok=True)
    watched = json.dumps([str(folder / file) for file in files])
    words = [sys.executable, str(Path(__file__).resolve()), str(out), str(size), watched, *names]
    subprocess.run(words, cwd=folder, env=_environment(folder), check=True)


def edits(before: Path, after: Path, file: str) -> list[range]:
    """The lines of each place where a file was changed, as they are afterwards."""
    old, new = ((each / file).read_text(encoding="utf-8").splitlines() for each in (before, after))
    codes = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return [range(start + 1, end + 1) for tag, _, _, start, end in codes if tag != "equal"]


def reached(name: str, out: Path, folder: Path, file: str, places: Sequence[range]) -> int:
    """How many of these places of a file a model came by; what only an import executes is none."""
    lines = {number for path, number in json.loads((out / f"{name}.json").read_text()) if path == str(folder / file)}
    return sum(not lines.isdisjoint(place) for place in places)


def compared(name: str, before: Path, after: Path) -> Compared:
    """One model of two runs, bit by bit; where only the changed code fails, that is a difference."""
    import torch

    texts = [(each / f"{name}.txt").read_text() if (each / f"{name}.txt").exists() else "" for each in (before, after)]
    if any(texts):
        verdict = "cannot run" if texts[0] == texts[1] else "differs"
        return Compared(name, verdict, where=texts[1] or f"only the original fails: {texts[0]}")
    old, new = (torch.load(each / f"{name}.pt", weights_only=True) for each in (before, after))
    differing = dict(_differences(old, new))
    worst = max(differing, key=differing.__getitem__, default="")
    told = f"{len(differing)} of {len(old)}, most in {worst}" if differing else ""
    return Compared(name, "differs" if differing else "equal", len(old), differing.get(worst, 0.0), told)


def _differences(old: Mapping[str, torch.Tensor], new: Mapping[str, torch.Tensor]) -> Iterator[tuple[str, float]]:
    """Names of tensors that are not the same bits, each with the largest difference by the larger magnitude."""
    import torch

    for name in old.keys() | new.keys():
        one, other = old.get(name), new.get(name)
        if one is None or other is None or one.dtype != other.dtype or one.shape != other.shape:
            yield name, float("inf")
        elif not torch.equal(_bits(one), _bits(other)):
            apart = (one.double() - other.double()).abs().max()
            yield name, float(apart / max(one.double().abs().max(), other.double().abs().max()))


def _bits(tensor: torch.Tensor) -> torch.Tensor:
    """Its bytes: a NaN equals itself, and -0.0 differs from 0.0."""
    import torch

    return tensor.contiguous().reshape(-1).view(torch.uint8)


def _environment(first: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(first), "HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def observed(name: str, size: int) -> Tensors:
    """All that a model shows: initial weights; result, gradients and buffers in both modes.

    Weights are shaken after they were looked at: where a branch ends in a zero, nothing behind it has a gradient.
    """
    import timm
    import torch

    torch.manual_seed(SEED)
    model = timm.create_model(name, pretrained=False)
    seen = {f"initial {key}": value.detach().clone() for key, value in model.state_dict().items()}
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.02)
    shape = tuple(model.pretrained_cfg["input_size"])
    for training in (False, True):
        seen |= _passed(model.train(training), (2, shape[0], size or shape[1], size or shape[2]))
    return seen


def _passed(model: nn.Module, shape: tuple[int, ...]) -> Tensors:
    """One forward and backward with inputs that require grad; the loss weighs every element differently."""
    import torch

    torch.manual_seed(SEED)
    image = torch.randn(shape, requires_grad=True)
    results = list(_tensors(model(image)))
    loss = sum((each * torch.randn_like(each)).sum() for each in results if each.is_floating_point())
    names, weights = zip(*model.named_parameters(), strict=True)
    gradients = torch.autograd.grad(loss, (image, *weights), allow_unused=True)
    mode = "training" if model.training else "evaluation"
    seen = {f"{mode} result {number}": each.detach() for number, each in enumerate(results)}
    found = zip(("input", *names), gradients, strict=True)
    seen |= {f"{mode} gradient {name}": each for name, each in found if each is not None}
    return seen | {f"{mode} buffer {name}": each.clone() for name, each in model.named_buffers()}


def _tensors(result: Any) -> Iterator[torch.Tensor]:
    import torch

    if isinstance(result, torch.Tensor):
        yield result
    elif isinstance(result, Mapping):
        yield from _tensors(list(result.values()))
    elif isinstance(result, (list, tuple)):
        for each in result:
            yield from _tensors(each)


@contextlib.contextmanager
def _lines(files: frozenset[str]) -> Iterator[set[tuple[str, int]]]:
    """The lines of files that are executed meanwhile."""
    seen: set[tuple[str, int]] = set()

    def within(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            seen.add((frame.f_code.co_filename, frame.f_lineno))
        return within

    sys.settrace((lambda frame, *_: within if frame.f_code.co_filename in files else None) if files else None)
    try:
        yield seen
    finally:
        sys.settrace(None)


def _main(out: Path, size: int, files: frozenset[str], names: Sequence[str]) -> None:
    """Keep what each model shows, at `size` pixels where it takes that, else at its own size."""
    import timm
    import torch

    if not Path(timm.__file__).is_relative_to(Path.cwd()):
        raise ImportError(f"meant to import timm from {Path.cwd()}, not {timm.__file__}")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=True)
    for name in names:
        with _lines(files) as lines:
            _keep(out, name, size)
        (out / f"{name}.json").write_text(json.dumps(sorted(lines)))


def _keep(out: Path, name: str, size: int) -> None:
    import torch

    for pixels in (size, 0):
        try:
            torch.save(observed(name, pixels), out / f"{name}.pt")
        except Exception as error:  # any: it is what is compared
            (out / f"{name}.txt").write_text(f"{type(error).__name__}: {str(error)[:300]}")
        else:
            (out / f"{name}.txt").unlink(missing_ok=True)
            break


if __name__ == "__main__":
    _main(Path(sys.argv[1]), int(sys.argv[2]), frozenset(json.loads(sys.argv[3])), sys.argv[4:])
