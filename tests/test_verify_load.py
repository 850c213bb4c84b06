"""Whoever imports the edited file gets the edited text, as if it stood on the disk."""

from __future__ import annotations

import compileall
import textwrap
from pathlib import Path

import pytest

from fixinplace.model import Verdict
from fixinplace.verify.bench import Case
from fixinplace.verify.jobs import Job, Patch, Run
from fixinplace.verify.probes import parse
from fixinplace.verify.runner import Runner
from fixinplace.verify.search import prove, rewrite

from programs import fix, program  # isort: skip

LAYER = """
import torch

def layer(x):
    y = x * 2
    z = y ** 2
    y *= 3
    return z + y
"""


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"))


def output(lab: Runner, kind: str, probe: Path, edited: Path, text: str, name: str | None = None) -> tuple[Run, str]:
    assert lab.problem is None
    run = lab.run(Job(kind, str(probe), name, (Patch(str(edited), text),)))
    return run, Path(run.folder, "stdout").read_text()


IMPORTS = {
    "import": "import model; print(model.WORD)",
    "from import": "from model import WORD; print(WORD)",
    "by location": "import importlib.util as u; from pathlib import Path\n"
    "s = u.spec_from_file_location('other', Path(__file__).with_name('model.py'))\n"
    "m = u.module_from_spec(s); s.loader.exec_module(m); print(m.WORD)",
    "through a link": "import linked; print(linked.WORD)",
    "reloaded": "import model, importlib; importlib.reload(model); print(model.WORD)",
    "source": "import model, inspect; print(inspect.getsource(model).split(chr(39))[1])",
}


@pytest.mark.parametrize("way", IMPORTS)
def test_every_import_gets_the_edited_text(way: str, lab: Runner, tmp_path: Path):
    write(tmp_path, {"model.py": "WORD = 'old'\n", "user.py": IMPORTS[way]})
    (tmp_path / "linked.py").symlink_to(tmp_path / "model.py")
    compileall.compile_dir(tmp_path, quiet=2)
    run, text = output(lab, "script", tmp_path / "user.py", tmp_path / "model.py", "WORD = 'new'\n")
    assert run.finished, run
    assert text == "new\n"


def test_a_script_sees_itself_as_python_would_show_it(lab: Runner, tmp_path: Path):
    shown = "import sys\nprint(__name__, __file__, sys.argv, sys.path[0], __package__, __spec__)\n"
    made = program(tmp_path, shown)
    run, text = output(lab, "script", made.path, made.path, "'edited'\n" + shown)
    assert run.finished, run
    assert text == f"__main__ {made.path} ['{made.path}'] {tmp_path} None None\n"


def test_a_traceback_shows_the_edited_line(lab: Runner, tmp_path: Path):
    made = program(tmp_path, "x = 1\n")
    run, _ = output(lab, "script", made.path, made.path, "x = 1\nraise ValueError('b' + 'oom')\n")
    assert run.failure is not None
    assert (run.failure.file, run.failure.line) == (str(made.path), 2)


def test_a_module_of_a_package_may_import_its_neighbours(lab: Runner, tmp_path: Path):
    runs = """
        import torch
        from .layers import layer
        from ..names import SCALE

        def probe_layer():
            x = torch.ones(3, requires_grad=True)
            return layer(x) * SCALE
    """
    files = {
        "__init__.py": "",
        "sub/__init__.py": "",
        "names.py": "SCALE = 2\n",
        "sub/layers.py": LAYER,
        "sub/run.py": runs,
    }
    write(tmp_path / "pkg", files | {"sub/run.py": runs})
    edited = tmp_path / "pkg" / "sub" / "layers.py"
    text = edited.read_text()
    probes = parse("pkg/sub/run.py", tmp_path)
    proof = prove(text, str(edited), [fix(text, "y *= 3", "y = y * 3")], probes, lab)
    assert proof.rulings[0].verdict is Verdict.PROVED, proof.rulings[0]


def test_a_probe_in_another_file_proves_and_refutes(lab: Runner, tmp_path: Path):
    probing = """
        import torch, model

        def probe_layer():
            return model.layer(torch.ones(3, requires_grad=True))
    """
    write(tmp_path, {"model.py": LAYER, "probe_model.py": probing})
    text = (tmp_path / "model.py").read_text()
    (probe,) = parse("probe_model.py", tmp_path)
    for new, verdict in (("y = y * 3", Verdict.PROVED), ("y = y * 4", Verdict.REFUTED)):
        rewritten, marks = rewrite(text, [fix(text, "y *= 3", new)])
        versions = ((Patch(str(tmp_path / "model.py"), each),) for each in (text, rewritten))
        ruling = lab.judge(Case(probe, *versions), marks).ruling
        assert ruling.verdict is verdict, ruling
        assert ruling.evidence[0].probe == "probe_model.py::probe_layer"


def test_a_file_named_like_a_module_of_the_library(lab: Runner, tmp_path: Path):
    made = program(tmp_path, LAYER + "def main():\n    return layer(torch.ones(2, requires_grad=True))\n", "random.py")
    assert made.judge(lab, "y *= 3", "y = y * 3").ruling.verdict is Verdict.PROVED


OTHERS = {
    "subprocess": "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'pass'])\n",
    "shell": "import os\nos.system('python3 -c pass')\n",
    "spawned worker": "import multiprocessing as mp\nmp.get_context('spawn').Process(target=print).start()\n",
    "caught": "import subprocess\ntry:\n    subprocess.run(['python3', '-c', 'pass'])\nexcept OSError:\n    pass\n",
}

SCRIPT = """
import torch
if __name__ == "__main__":
    x = torch.ones(3, requires_grad=True)
    y = x.exp()
    y += 1
    y.sum().backward()
"""


@pytest.mark.parametrize("way", OTHERS)
def test_another_interpreter_would_run_the_old_text(way: str, lab: Runner, tmp_path: Path):
    made = program(tmp_path, SCRIPT + textwrap.indent(OTHERS[way], "    "))
    ruling = made.judge(lab, "y += 1", "y = y + 1").ruling
    assert (ruling.verdict, ruling.reason) == (Verdict.UNPROVED, "probe-failed")
    assert "python" in ruling.sentence


def test_forked_workers_run_the_edited_text(lab: Runner, tmp_path: Path):
    forks = "import multiprocessing as mp\nq = mp.get_context('fork').Queue()\n"
    forks += (
        "p = mp.get_context('fork').Process(target=lambda: q.put(y.tolist()))\np.start()\nprint(q.get())\np.join()\n"
    )
    made = program(tmp_path, SCRIPT + textwrap.indent(forks, "    "))
    assert made.judge(lab, "y += 1", "y = y + 1").ruling.verdict is Verdict.PROVED
    ruling = made.judge(lab, "y += 1", "y = y + 2").ruling
    assert ruling.verdict is Verdict.REFUTED


def test_compiled_programs_run_as_they_are_written(lab: Runner, tmp_path: Path):
    made = program(tmp_path, SCRIPT.replace("y = x.exp()", "y = torch.compile(torch.exp)(x)"))
    ruling = made.judge(lab, "y += 1", "y = y + 1").ruling
    assert ruling.verdict is Verdict.PROVED, ruling
    assert any("torch.compile" in note for note in ruling.evidence[0].notes)


def test_two_edited_files_are_proved_together(lab: Runner, tmp_path: Path):
    """Each edit alone leaves the program dying of the other's write."""
    train = """
        import torch, model

        def main():
            x = torch.ones(3, requires_grad=True)
            h = model.layer(x).sigmoid()
            h += 1
            return h
    """
    write(tmp_path, {"model.py": LAYER, "train.py": train})
    paths = [str(tmp_path / name) for name in ("model.py", "train.py")]
    texts = [Path(path).read_text() for path in paths]
    edits = (("y *= 3", "y = y * 3"), ("h += 1", "h = h + 1"))
    made = [
        rewrite(text, [fix(text, *edit, group=n)], n) for n, (text, edit) in enumerate(zip(texts, edits, strict=True))
    ]
    probe = parse("train.py::main", tmp_path)[0]
    original = tuple(map(Patch, paths, texts))
    rewritten = tuple(Patch(path, text) for path, (text, _) in zip(paths, made, strict=True))
    marks = tuple(mark for _, found in made for mark in found)
    judgement = lab.judge(Case(probe, original, rewritten), marks)
    assert judgement.ruling.verdict is Verdict.PROVED, judgement
    assert judgement.reached == {0, 1}
    half = lab.judge(Case(probe, original, (rewritten[0], original[1])), marks[:1]).ruling
    assert (half.verdict, half.reason) == (Verdict.REFUTED, "still-raises")


COMMANDS = [
    ({"run.py": "import sys; print(sys.argv[1:], __name__)"}, "script", None, ("-x", "3"), "['-x', '3'] __main__\n"),
    ({"run.py": "import sys; print(sys.argv[1:], __spec__.name)"}, "module", "run", ("a",), "['a'] run\n"),
    (
        {"pkg/__init__.py": "", "pkg/w.py": "W = 5", "pkg/__main__.py": "from .w import W; print(W, __package__)"},
        "module",
        "pkg",
        (),
        "5 pkg\n",
    ),
    ({"pkg/__init__.py": "", "pkg/run.py": "raise SystemExit(0)"}, "module", "pkg.run", (), ""),
]


@pytest.mark.parametrize(("files", "kind", "name", "arguments", "says"), COMMANDS)
def test_commands_with_arguments_and_modules(
    files: dict[str, str],
    kind: str,
    name: str | None,
    arguments: tuple[str, ...],
    says: str,
    lab: Runner,
    tmp_path: Path,
):
    write(tmp_path, files)
    assert lab.problem is None
    path = tmp_path / "run.py"
    run = lab.run(Job(kind, str(path), name, (), arguments, str(tmp_path)))
    assert run.finished, run
    assert Path(run.folder, "stdout").read_text() == says


def test_a_module_that_does_not_exist_is_named(lab: Runner, tmp_path: Path):
    assert lab.problem is None
    run = lab.run(Job("module", "", "nowhere.at.all", (), (), str(tmp_path)))
    assert run.failure is not None
    assert run.failure.missing == "nowhere"
