"""Loop variables that a repair does away with: what shows that nobody reads them, and what forbids to think so."""

from __future__ import annotations

import ast
import json
import textwrap
from pathlib import Path

import pytest
from choosing import code

from fixinplace.repair.base import Proposal, Tier, Variable
from fixinplace.repair.code import Code
from fixinplace.repair.unread import left_behind, paths
from fixinplace.verify.jobs import Patch
from fixinplace.verify.probes import Probe

INSIDE = """
import torch


def main():
    net = torch.nn.Linear(3, 3)
    img = net(torch.ones(2, 3))
    for c in img:
        c.sub_(c.mean())
    img.sum().backward()


if __name__ == "__main__":
    main()
"""
OUTSIDE = textwrap.dedent(INSIDE.partition("def main():\n")[2].partition("\n\n\nif")[0])
OUTSIDE = f"import torch\n\n{OUTSIDE}\n"
LOOP = "for c in "


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)


def behind(text: str, *lines: str) -> str:
    """The program with lines behind the backward."""
    (line,) = [each for each in text.splitlines() if "backward" in each]
    head = line[: len(line) - len(line.lstrip())]
    return text.replace(line, "\n".join([line, *(head + each for each in lines)]))


def before(text: str, line: str) -> str:
    """The program with a line in front of everything but the import."""
    return text.replace("import torch\n", f"import torch\n{line}\n", 1)


def variables(text: str, **others: str) -> tuple[Variable, ...]:
    """What is left behind by the loop over `img`; others: texts of files that lie beside the program."""
    folder = Path.cwd()
    known = {}
    for name, content in {"train": text, **others}.items():
        (folder / f"{name}.py").write_text(content)
        known[str(folder / f"{name}.py")] = code(content, str(folder / f"{name}.py"))
    one = known[str(folder / "train.py")]
    (loop,) = [each for each in ast.walk(one.tree) if isinstance(each, ast.For) and each.lineno == line_of(one)]
    return left_behind(one, known.get, loop, "c")


def line_of(one: Code) -> int:
    return next(n for n, line in enumerate(one.text.text.splitlines(), 1) if LOOP in line)


UNREAD = {
    "in a function": (INSIDE, "main"),
    "in the script": (OUTSIDE, ""),
    "in a method": (INSIDE.replace("def main", "class A:\n  def main").replace("\n    main()", "\n    A()"), "A.main"),
    "in a nested function": (INSIDE.replace("def main", "def f():\n  def main").replace("\n    main()", "\n    f()"),
                             "f.<locals>.main"),
    "another function's own": (before(INSIDE, "def show(c): return c"), "main"),
    "a text in a docstring": (INSIDE.replace("def main():\n", 'def main():\n    """c."""\n'), "main"),
    "variables of an object": (behind(INSIDE, "print(vars(net))"), "main"),
    "kept by a list": (INSIDE.replace("c.sub_(c.mean())", "c.sub_(c.mean()); rows.append(c)"), "main"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNREAD)
@pytest.mark.usefixtures("folder")
def test_a_loop_variable_that_nobody_reads_is_left_behind(name: str):
    text, function = UNREAD[name]

    assert variables(text) == (Variable(str(Path.cwd() / "train.py"), function, "c"),)


READ = {
    "behind the loop": behind(INSIDE, "print(c)"),
    "behind the loop of the script": behind(OUTSIDE, "print(c)"),
    "deleted": behind(INSIDE, "del c"),
    "in the round behind": OUTSIDE.replace("img = net(", "img = net(c if False else "),
    "by another loop": behind(INSIDE, "for c in img: print(c)"),
    "by the iterable": INSIDE.replace("in img:", "in (img if True else c):"),
    "by a closure": behind(INSIDE, "show = lambda: c", "show()"),
    "by a closure made in the loop": INSIDE.replace("c.sub_", "f = lambda: c\n        c.sub_"),
    "by a generator made in the loop": INSIDE.replace("c.sub_", "f = (c for _ in img)\n        c.sub_"),
    "by a function of the script": before(OUTSIDE, "def show(): print(c)"),
    "as a global": INSIDE.replace("    net =", "    global c\n    net ="),
    "as a global that another function declares": before(OUTSIDE, "def show():\n    global c\n"),
    "in the table of globals": behind(OUTSIDE, "print(globals().keys())"),
    "in the table of locals": behind(INSIDE, "print(locals())"),
    "in the table of the function": behind(INSIDE, "print(vars())"),
    "in the table of what gives tables": behind(INSIDE, "table = vars"),
    "by a text": behind(INSIDE, "query('c + 1')"),
    "by a text that is put together": behind(INSIDE, "eval(chr(99))"),
    "by its frame": behind(INSIDE, "print(sys._getframe(0))"),
    "by its module": behind(OUTSIDE, "print(sys.modules[__name__])"),
    "by itself, imported": behind(OUTSIDE, "import train", "print(train.c)"),
    "behind an `else`": INSIDE.replace("    img.sum()", "    else:\n        pass\n    img.sum()"),
    "in a run that is stopped in the loop": INSIDE.replace("c.sub_", "opt.step()\n        c.sub_"),
    "where a gradient is read in the loop": INSIDE.replace("c.sub_", "net.weight.grad\n        c.sub_"),
    "where a function is called in the loop": INSIDE.replace("c.mean()", "mean(c)"),
    "in the body of a class": INSIDE.replace("def main():", "class A:"),
    "in another function of that name": INSIDE.replace("\nif ", "def main():\n    return c\n\n\nif "),
}


@pytest.mark.parametrize("name", READ)
@pytest.mark.usefixtures("folder")
def test_a_loop_variable_that_may_be_read_counts(name: str):
    assert variables(READ[name]) == ()


BESIDE = {
    "nothing of the kind": ("x = 1\n", True),
    "its guard": ("if __name__ == '__main__':\n    print(1)\n", True),
    "a frame": ("import sys\nprint(sys._getframe(1))\n", False),
    "the script's module": ("import __main__\nprint(__main__.c)\n", False),
    "the script": ("import train\n", False),
    "what is not found": ("import nowhere_at_all\n", False),
    "an installed package": ("import numpy.linalg\n", True),
    "another that reads a frame": ("from second import x\n", False),
}


@pytest.mark.parametrize("name", BESIDE)
@pytest.mark.usefixtures("folder")
def test_files_that_are_imported_are_read_too(name: str):
    text, unread = BESIDE[name]
    found = variables(before(OUTSIDE, "from helper import x"), helper=text, second="import inspect\nx = 1\n")

    assert bool(found) is unread


def test_only_a_variable_that_a_run_records_under_its_name_is_excused():
    def excused(variable: Variable, main: str = "", kind: str = "script", new: str = "") -> frozenset[str]:
        known = {"/p/main.py": code(main, "/p/main.py"), "/p/lib.py": code("", "/p/lib.py")}
        proposal = Proposal("collect-rows", Tier.PATCH, "", unread=(variable,))
        return paths([proposal], Probe(kind, "/p/main.py", None), known.get, (Patch(variable.file, new),))  # type: ignore[arg-type]

    assert excused(Variable("/p/main.py", "", "c")) == {"c"}
    assert excused(Variable("/p/main.py", "A.f", "c")) == {"c in A.f()"}
    assert excused(Variable("/p/main.py", "A.f", "c"), kind="callable") == {"c in A.f()"}
    assert excused(Variable("/p/main.py", "", "c"), kind="callable") == frozenset()
    assert excused(Variable("/p/lib.py", "", "c")) == frozenset()
    assert excused(Variable("/p/lib.py", "A.f", "c")) == {"c in A.f()"}
    assert excused(Variable("/p/lib.py", "A.f", "c"), "import inspect\n") == frozenset()
    assert excused(Variable("/p/lib.py", "A.f", "c"), "def f(c):\n    print(c)\n") == frozenset()
    assert excused(Variable("/p/main.py", "", "c"), new="for c in x:\n    y.append(c)\n") == {"c"}
    assert excused(Variable("/p/main.py", "", "c"), new="for c in x:\n    y.append(c)\nprint(c)\n") == frozenset()
    assert excused(Variable("/p/main.py", "A.f", "c"), new="def f():\n    print(c)\n") == frozenset()
    assert excused(Variable("/p/main.py", "A.f", "c"), new="def g():\n    print(c)\n") == {"c in A.f()"}


TRAIN = """
import torch

torch.manual_seed(0)
net = torch.nn.Linear(4, 6)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
for step in range(2):
    img = net(torch.randn(3, 4))
    for c in img:
        c.sub_(c.mean())
    loss = img.square().sum()
    opt.zero_grad()
    loss.backward()
    opt.step()
    SHOW
print(loss.item())
"""
MAIN = (
    "import torch\n\n\ndef main():\n" + textwrap.indent(TRAIN.partition("import torch\n\n")[2], "    ") + "\n\nmain()\n"
)
SHOWN = {
    "nobody": ("pass", True),
    "the line behind": ("img.data.zero_(); print(c)", False),
    "a table": ("img.data.zero_(); print(eval(chr(99)))", False),
}


@pytest.mark.slow
@pytest.mark.parametrize("text", [TRAIN, MAIN], ids=["script", "function"])
@pytest.mark.parametrize("name", SHOWN)
def test_rows_are_repaired_where_an_optimizer_steps(name: str, text: str, command):
    shown, proved = SHOWN[name]
    Path("rows.py").write_text(text.replace("SHOW", shown))
    data = json.loads(command("repair", "--diff", "--output-format", "json", "rows.py").stdout)

    assert (data["status"] == "repaired") is proved, data
