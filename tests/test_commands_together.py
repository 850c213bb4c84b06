"""Files that one probe runs are proved in each other's company."""

from __future__ import annotations

import ast
import json
import textwrap
from pathlib import Path, PurePath

import pytest

from fixinplace.imports import reachable

MODEL = """
import torch


def layer(x):
    h = torch.exp(x)
    h += 1
    return h.sin()
"""

TRAIN = """
import torch

import model


def main():
    w = torch.ones(3, requires_grad=True)
    loss = torch.sigmoid(model.layer(w * 2))
    loss *= 2
    loss.sum().backward()
    print(w.grad)


if __name__ == "__main__":
    main()
"""


def write(files: dict[str, str]) -> None:
    for name, text in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"))


def verdicts(stdout: str) -> dict[str, list[tuple[str, str | None]]]:
    return {
        file["path"]: [(each["outcome"].get("verdict"), each["outcome"].get("reason")) for each in file["findings"]]
        for file in json.loads(stdout)["files"]
    }


@pytest.mark.slow
@pytest.mark.parametrize("dry", [("--diff",), ()])
def test_two_culprits_in_two_files_are_proved_together(dry: tuple[str, ...], command):
    write({"model.py": MODEL, "train.py": TRAIN})

    result = command("fix", *dry, "--output-format", "json", ".")

    assert verdicts(result.stdout) == {"model.py": [("proved", None)], "train.py": [("proved", None)]}
    assert ("h += 1" in Path("model.py").read_text()) is bool(dry)
    assert ("loss *= 2" in Path("train.py").read_text()) is bool(dry)


def test_a_fix_that_stays_out_is_not_in_the_company_of_the_others(command):
    """`loss` is read through a list of lists, and its square keeps it: that write stays, and the program dies of it."""
    kept = "    kept = [[loss]]\n    square = loss * loss\n    loss *= 2\n    print(kept[0][0].sum() + square)\n"
    aliased = TRAIN.replace("    loss *= 2\n", kept)
    write({"model.py": MODEL, "train.py": aliased})

    result = command("fix", "--verify", "require", "--no-inputs", "--output-format", "json", ".")

    found = verdicts(result.stdout)
    assert found["train.py"] == [(None, "container-slot")]
    assert found["model.py"][0][0] != "proved"
    assert "h += 1" in Path("model.py").read_text()


def test_a_script_that_has_nothing_to_fix_is_not_run_for_others(command):
    quiet = TRAIN.replace("    loss *= 2\n", "    open('/tmp/never', 'w')\n")
    write({"model.py": MODEL, "train.py": quiet})

    found = verdicts(command("fix", "--verify", "require", "--no-inputs", "--output-format", "json", ".").stdout)

    assert found["model.py"][0][1] in ("no-probe", None)
    assert found["model.py"][0][0] != "proved"


FILES = {
    "/p/run.py": "import a\nfrom pkg import b\nimport torch\n",
    "/p/a.py": "import deep.er\n",
    "/p/pkg/__init__.py": "from .c import x\n",
    "/p/pkg/b.py": "from .. import a\nfrom . import d\n",
    "/p/pkg/c.py": "import run\n",
    "/p/pkg/d.py": "",
    "/p/deep/er.py": "",
    "/p/other.py": "",
}


def test_imports_are_followed_through_packages_and_relative_names():
    trees = {PurePath(path): ast.parse(text) for path, text in FILES.items()}

    found = reachable(PurePath("/p/run.py"), trees.get)

    assert sorted(map(str, found)) == sorted(set(FILES) - {"/p/run.py", "/p/other.py"})
