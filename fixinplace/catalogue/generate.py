"""Make the tables: `python -m fixinplace.catalogue.generate` writes `writers.json` and `results.json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

from fixinplace.catalogue import returning, writing
from fixinplace.catalogue.sample import Sampled, sample

HERE = Path(__file__).parent


def tables(sampled: Sampled) -> dict[str, str]:
    """File name → text of both tables, rows sorted, one a line."""
    return {
        "writers.json": _text(writing.rows(sampled.promoting)),
        "results.json": _text(returning.rows(sampled)),
    }


def _text(rows: dict[str, dict[str, Any]]) -> str:
    version = torch.__version__.split("+")[0]
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(row)}" for name, row in sorted(rows.items()))
    return f'{{"framework": "torch", "version": "{version}", "rows": {{\n{lines}\n}}}}\n'


def main() -> int:
    """Write both files into the package and say how many rows they have."""
    for file, text in tables(sample()).items():
        (HERE / file).write_text(text, encoding="utf-8")
        print(f"{file}: {len(json.loads(text)['rows'])} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
