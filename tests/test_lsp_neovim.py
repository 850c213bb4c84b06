"""A real editor: Neovim without a screen opens a program, gets the finding, takes the action."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fixinplace import config, pipeline
from fixinplace.pipeline import Policy
from fixinplace.source import apply, parse

ROOT = Path(__file__).resolve().parent.parent
NVIM = shutil.which("nvim")

pytestmark = pytest.mark.skipif(NVIM is None, reason="Neovim is not installed (`apt-get install neovim`)")

PROGRAM = """\
import torch


def forward(a, skip):
    h, s = torch.sigmoid(a), '😀é'; h += skip  # ü
    return h.sum(), s


if __name__ == "__main__":
    weight = torch.ones(3, requires_grad=True)
    forward(weight * 2, torch.ones(3))[0].backward()
"""


def neovim(path: Path, wanted: str, folder: Path) -> tuple[str, bytes]:
    """What Neovim saw, and the bytes that it wrote after the action was taken."""
    output = folder / "output.py"
    given = {
        "SERVER": json.dumps([sys.executable, "-m", "fixinplace", "lsp"]),
        "INPUT": str(path),
        "OUTPUT": str(output),
        "WANTED": wanted,
        "PYTHONPATH": str(ROOT),
        "XDG_STATE_HOME": str(folder / "state"),
    }
    command = [str(NVIM), "--headless", "-u", "NONE", "-i", "NONE", "-n"]
    ran = subprocess.run(
        [*command, "-c", f"luafile {ROOT / 'tests' / 'neovim.lua'}"],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, **given},
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout + ran.stderr, output.read_bytes()


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_quick_fix(tmp_path: Path, end: str):
    path = tmp_path / "mödel 1.py"
    path.write_bytes(PROGRAM.replace("\n", end).encode())

    said, written = neovim(path, "Rewrite as", tmp_path)

    assert "5:40 `h += skip` overwrites `h`" in said  # Neovim counts bytes
    assert written.decode() == PROGRAM.replace("h += skip", "h = h + skip").replace("\n", end)


@pytest.mark.parametrize("name", ["highway_residual", "gru_cell", "dense_block", "scale_boxes"])
def test_a_program_of_the_corpus(tmp_path: Path, name: str):
    path = tmp_path / f"{name}.py"
    shutil.copy(ROOT / "corpus" / f"{name}.py", path)
    source = parse(str(path), path.read_bytes())
    everything = pipeline.fix(source, config.selected((), ()), Policy(), None)

    _, written = neovim(path, "Fix all", tmp_path)

    assert everything.changed
    assert written == everything.data


def test_the_first_fix_of_a_program_of_the_corpus(tmp_path: Path):
    path = tmp_path / "program.py"
    shutil.copy(ROOT / "corpus" / "highway_residual.py", path)
    source = parse(str(path), path.read_bytes())
    fixes = pipeline.fixes(pipeline.analyse(source, config.selected((), ())).findings)
    first = min(fixes.values(), key=lambda fix: fix.edits[0].span.start)

    _, written = neovim(path, first.title[:1].upper() + first.title[1:], tmp_path)

    assert written.decode() == apply(source.part.text, list(first.edits))


def test_prove_and_apply(tmp_path: Path):
    path = tmp_path / "model.py"
    path.write_text(PROGRAM)

    said, written = neovim(path, "Prove and apply: ", tmp_path)

    assert written.decode() == PROGRAM.replace("h += skip", "h = h + skip")
    assert "proved: " in said
