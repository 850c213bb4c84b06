"""A run's records read back, and the tensors in them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch

from fixinplace.verify.clock import timeless
from fixinplace.verify.jobs import Json
from fixinplace.verify.observe import neutral


@dataclass(frozen=True)
class Side:
    """One run's records: observed values by path, random states, settings, exit code, backwards and their leaves.

    derivatives: of a forward-mode run, in order, by the backward they belong to.
    """

    values: dict[str, Json]
    others: dict[str, Json]
    backwards: dict[str, Json]
    gradients: dict[str, list[Json]]
    derivatives: dict[str, Json]
    blob: bytes
    stdout: str


def read(folder: Path) -> Side:
    """The records of a run; raises OSError, ValueError or KeyError if they are not complete."""
    side = Side({}, {}, {}, {}, {}, (folder / "blob").read_bytes(), _output(folder / "stdout"))
    tables = {
        "random": side.others,
        "setting": side.others,
        "exit": side.others,
        "backward": side.backwards,
        "derivative": side.derivatives,
    }
    with (folder / "manifest.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["kind"] == "gradient":
                side.gradients.setdefault(row["path"], []).append(row)
            else:
                tables.get(row["kind"], side.values)[row["path"]] = row
    return side


def _output(path: Path) -> str:
    return timeless(neutral(path.read_bytes().decode("utf-8", "backslashreplace")))


def elements(row: Json, blob: bytes) -> torch.Tensor | None:
    """The recorded elements in one dimension, in logical order; None if only their digest was kept.

    Elements of a dtype that torch cannot compute with (numpy's own, quantised ones) come as uint8 bytes.
    """
    if "at" not in row:
        return None
    if row["length"] == 0:
        return torch.empty(0, dtype=torch.uint8)
    data = torch.frombuffer(bytearray(blob[row["at"] : row["at"] + row["length"]]), dtype=torch.uint8)
    dtype = getattr(torch, row["dtype"], None)
    if not isinstance(dtype, torch.dtype) or "stride" not in row or row["dtype"].startswith(("q", "bits")):
        return data
    tensor = data.view(dtype).as_strided(row["shape"], row["stride"])
    tensor = tensor.conj() if row.get("conj") else tensor
    tensor = torch._neg_view(tensor) if row.get("neg") else tensor
    return tensor.resolve_conj().resolve_neg().clone(memory_format=torch.contiguous_format).reshape(-1)
