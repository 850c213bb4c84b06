"""`fixinplace repair`, from the user's command to the patched file."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest
from choosing import code
from suites import PYTEST
from typer.testing import Result

from fixinplace.repair.found import Culprit, Found
from fixinplace.repair.outcome import Outcome
from fixinplace.report import repair as report
from fixinplace.trace.events import Offence, Place, Spot, Standing, Trace

GATE = """
import torch
from torch import nn


class Gate(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, width)

    def forward(self, x):
        h = torch.sigmoid(self.linear(x))
        h += x
        return h
"""

TRAIN = """
import sys

import torch

from gate import Gate


def main():
    torch.manual_seed(0)
    gate = Gate(4)
    optimizer = torch.optim.SGD(gate.parameters(), lr=0.1)
    for _ in range(2):
        out = gate(torch.randn(8, 4))
        counts = torch.zeros(4)
        counts += 1
        loss = out.square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print("done", sys.argv[1:])
    return loss


if __name__ == "__main__":
    main()
"""

SILENT = """
import torch


def main():
    torch.manual_seed(0)
    w = torch.randn(3, requires_grad=True)
    y = w.exp()
    z = y * w
    y.data.mul_(2)
    loss = z.sum()
    loss.backward()
    return w.grad
"""


def write(**files: str) -> None:
    for name, text in files.items():
        Path(f"{name}.py").write_text(textwrap.dedent(text).lstrip("\n"))


def document(result: Result) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(result.stdout)
    return data


def places(data: dict[str, Any]) -> list[tuple[str, int, int, int]]:
    return [
        (c["culprit"]["file"], c["culprit"]["line"], c["save"]["line"], c["backward"]["line"]) for c in data["culprits"]
    ]


def test_a_script_with_its_arguments_is_patched_in_the_file_that_is_to_blame(command):
    write(gate=GATE, train=TRAIN)
    before = Path("train.py").read_text()

    result = command("repair", "train.py", "--steps", "2")

    assert result.exit_code == 0, result.stderr
    assert "h = h + x" in Path("gate.py").read_text()
    assert Path("train.py").read_text() == before
    assert result.stderr.splitlines()[0] == "gate.py:12:9  FIP101 augmented-name  `h += x` overwrites `h`"
    assert "  saved by   gate.py:11:13  torch.sigmoid(self.linear(x))   sigmoid keeps its result" in result.stderr
    assert "  needed at  train.py:18:9  loss.backward()" in result.stderr
    assert "\nproved: " in result.stderr
    assert result.stdout.startswith("--- a/gate.py\n+++ b/gate.py\n")
    again = command("repair", "train.py")
    assert again.exit_code == 0
    assert "nothing to repair" in again.stderr


@pytest.mark.slow
def test_a_dry_run_writes_nothing_and_leaves_with_1(command):
    write(gate=GATE, train=TRAIN)

    result = command("repair", "--diff", "--output-format", "json", "train.py::main")

    data = document(result)
    assert result.exit_code == data["exit"] == 1
    assert data["status"] == "repaired"
    assert not data["written"]
    assert places(data) == [("gate.py", 12, 11, 18)]
    assert data["patch"]["verdict"] == "proved"
    assert "+        h = h + x\n" in data["patch"]["diff"]
    assert "h += x" in Path("gate.py").read_text()


@pytest.mark.slow
def test_a_module_is_run_as_python_would(command):
    Path("pkg").mkdir()
    Path("pkg/__init__.py").write_text("")
    write(**{"pkg/gate": GATE, "pkg/train": TRAIN.replace("from gate", "from .gate")})

    result = command("repair", "-m", "pkg.train", "-x")

    assert result.exit_code == 0, result.stderr
    assert "h = h + x" in Path("pkg/gate.py").read_text()


@pytest.mark.slow
def test_a_test_suite_is_a_module_like_any_other(command):
    write(gate=GATE, test_gate=TRAIN.replace("def main", "def test_main").replace("    return loss\n", ""))

    result = command("repair", *PYTEST, "test_gate.py", "-k", "main")

    assert result.exit_code == 0, result.stderr
    assert "h = h + x" in Path("gate.py").read_text()


ROWS = """
import torch

def center(img):
    for c in img:
        c.sub_(c.mean())
    return img
"""
TEST_ROWS = """
import torch

from rows import center


def test_center():
    w = torch.randn(3, 4, requires_grad=True)
    out = center(w * 2)
    out.square().sum().backward()
    assert w.grad is not None
"""


@pytest.mark.parametrize("suite", ["pytest", "unittest"])
def test_a_write_that_is_refused_in_a_test_is_told(command, suite: str):
    case = "import unittest\n\nclass Case(unittest.TestCase):\n    def test_center(self):\n        test_center()\n"
    write(rows=ROWS, test_rows=TEST_ROWS + (case if suite == "unittest" else ""))

    result = command("repair", "--explain", *(PYTEST if suite == "pytest" else ("-m", "unittest")), "test_rows.py")

    assert result.exit_code == 1, result.stderr
    assert "rows.py:5:9  FIP204 multi-view-write  `c.sub_(c.mean())` may not overwrite" in result.stderr


@pytest.mark.slow
def test_what_to_do_about_a_hook_is_told_beside_an_edit_that_is_not_proved(command):
    write(
        hooked="""
        import torch
        from torch import nn

        layer = nn.Linear(3, 3)
        layer.register_full_backward_hook(lambda module, inputs, outputs: None)
        y = layer(torch.randn(2, 3))
        y += 1
        y.sum().backward()
        """
    )

    result = command("repair", "--diff", "hooked.py")

    assert result.exit_code == 1
    assert "hooked.py:7:1  FIP209" in result.stderr
    assert "register_hook" in result.stderr


@pytest.mark.slow
def test_a_program_that_leaves_with_a_code_of_its_own_is_repaired(command):
    write(gate=GATE, train="import sys\n" + TRAIN.replace("    main()\n", "    main()\n    sys.exit(3)\n"))

    result = command("repair", "--diff", "--output-format", "json", "train.py")

    data = document(result)
    assert data["status"] == "repaired", data["tried"]
    (evidence,) = data["patch"]["evidence"]
    assert "the program leaves with exit code 3" in evidence["notes"]
    assert evidence["checks_not_run"] == []


@pytest.mark.parametrize("words", [("script.py",), ("-m", "script")])
def test_an_exit_of_the_programs_own_is_passed_through(command, capfd, words: tuple[str, ...]):
    write(script="import sys\nimport torch\n\ntry:\n    {}['mine']\nexcept KeyError:\n    sys.exit('no data')\n")

    result = command("repair", *words)

    shown = capfd.readouterr().err
    assert result.exit_code == 2
    assert shown.splitlines() == ["no data"]
    assert result.stderr.startswith("the command leaves with exit code 1 by itself, and no backward of it was spoilt\n")


@pytest.mark.slow
def test_what_goes_wrong_without_an_error_is_found(command):
    write(silent=SILENT)

    result = command("repair", "--output-format", "json", "silent.py::main")

    data = document(result)
    assert data["failure"] is None
    assert places(data) == [("silent.py", 9, 8, 11)]
    assert data["culprits"][0]["rule"] == "FIP301"
    assert data["status"] == "repaired", data["tried"]
    assert result.exit_code == 0


@pytest.mark.slow
def test_explaining_stops_before_any_patch(command):
    write(gate=GATE, train=TRAIN)

    result = command("repair", "--explain", "train.py")

    assert result.exit_code == 1
    assert "needed at  train.py:18:9" in result.stderr
    assert "proved" not in result.stderr
    assert result.stdout == ""


def test_a_healthy_program_is_left_alone(command):
    write(gate=GATE.replace("h += x", "h = h + x"), train=TRAIN)

    result = command("repair", "train.py")

    assert result.exit_code == 0
    assert "nothing to repair" in result.stderr


def test_a_failure_of_the_users_own_is_passed_through(command, capfd):
    write(broken="import torch\n\ndef f():\n    raise KeyError('mine')\n\nf()\n")

    result = command("repair", "broken.py")

    shown = capfd.readouterr().err
    assert result.exit_code == 2
    assert "KeyError: 'mine'" in shown
    assert 'broken.py", line 6' in shown
    assert "fixinplace/" not in shown
    assert "fails by itself" in result.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "nothing to repair: name a script"),
        (("gone.py",), "there is no file gone.py"),
        (("gone.py::main",), "there is no file gone.py"),
        (("train.py::main", "-x"), "takes no arguments"),
        (("--budget", "many", "train.py"), "--budget many"),
        (("--budget", "0", "train.py"), "--budget 0"),
    ],
)
def test_a_command_that_names_nothing_is_told_in_one_line(command, words: tuple[str, ...], says: str):
    write(gate=GATE, train=TRAIN)

    result = command("repair", *words)

    assert result.exit_code == 2
    assert says in result.stderr


NO_MODULE = {
    "nopkg": "there is no module nopkg",
    "nowhere.at.all": "there is no module nowhere",
    "pkg.gone": "there is no module pkg.gone",
    "pkg": "pkg is a package without a __main__.py",
    "sys": "sys has no Python code",
}


@pytest.mark.parametrize("name", NO_MODULE)
def test_a_module_that_does_not_exist_is_told_in_one_line(command, capfd, name: str):
    Path("pkg").mkdir()
    Path("pkg/__init__.py").write_text("")

    result = command("repair", "-m", name)

    assert result.exit_code == 2
    assert capfd.readouterr().err == ""
    (line,) = result.stderr.splitlines()
    assert line == f"fixinplace: -m {name}: {NO_MODULE[name]}"


def test_an_import_that_fails_in_the_users_module_keeps_its_traceback(command, capfd):
    Path("pkg").mkdir()
    Path("pkg/__init__.py").write_text("import nothing_of_the_kind\n")
    Path("pkg/run.py").write_text("")

    result = command("repair", "-m", "pkg.run")

    assert result.exit_code == 2
    assert "No module named 'nothing_of_the_kind'" in capfd.readouterr().err


@pytest.mark.slow
def test_an_endless_program_is_stopped_and_what_it_told_is_used(command):
    write(silent=SILENT + "\nmain()\nwhile True:\n    pass\n", waiting="import time\n\ntime.sleep(1000)\n")

    told = command("repair", "--explain", "--timeout", "15", "silent.py")
    nothing = command("repair", "--timeout", "1", "waiting.py")

    assert "silent.py:9:5" in told.stderr
    assert told.exit_code == 1
    assert "did not end within 1 s" in nothing.stderr
    assert nothing.exit_code == 2


def test_a_program_that_kills_itself(command):
    write(gone="import os\nos._exit(3)\n")

    result = command("repair", "gone.py")

    assert result.exit_code == 2
    assert "exit code 3" in result.stderr


@pytest.mark.slow
def test_progress_is_told_where_nobody_sees_a_line_replaced(command, monkeypatch):
    monkeypatch.setattr("fixinplace.commands.console.EVERY", 0.0)
    write(gate=GATE, train=TRAIN)

    result = command("repair", "--diff", "train.py")
    data = document(command("repair", "--diff", "--budget", "9,0.1", "--output-format", "json", "train.py"))

    told = [line for line in result.stderr.splitlines() if line.startswith("fixinplace: ")]
    assert told[0].startswith("fixinplace: try 1: ")
    assert len(told) > 5
    assert data["stopped"] == "the budget of 0.1 s is spent"
    assert [each["reason"] for each in data["tried"]] in ([], ["timed-out"])


@pytest.mark.slow
def test_choices_are_counted_from_one(command):
    Path("train.py").write_text("print('hi')\n")

    result = command("repair", "--choose", "0", "train.py")

    assert result.exit_code == 2
    assert "--choose" in result.stderr and "hi" not in result.stdout


def test_there_must_be_something_to_choose(command):
    write(gate=GATE, train=TRAIN)

    result = command("repair", "--choose", "3", "train.py")

    assert result.exit_code == 2
    assert "there are 0 proposals" in result.stderr
    assert "h += x" in Path("gate.py").read_text()


CARRIED = """
import torch
from torch import nn


def main():
    torch.manual_seed(0)
    cell = nn.GRUCell(2, 3)
    optimizer = torch.optim.SGD(cell.parameters(), lr=0.1)
    h = torch.zeros(4, 3)
    for window in torch.randn(3, 4, 2):
        h = cell(window, h)
        loss = h.square().mean()
        optimizer.zero_grad()
        loss.backward(retain_graph=True)
        optimizer.step()
    return h
"""


@pytest.mark.slow
def test_of_what_was_chosen_alone_the_proof_is_shown(command):
    write(carried=CARRIED)
    data = document(command("repair", "--output-format", "json", "carried.py::main"))
    first, *rest = (choice["proposals"][-1]["title"] for choice in data["choices"])

    result = command("repair", "--diff", "--choose", "1", "carried.py::main")

    assert data["chosen"] is None
    assert rest
    assert f"\nchosen 1 of {len(rest) + 1}: {first}\n" in result.stderr
    assert data["choices"][0]["sentence"] in result.stderr
    assert "--choose" not in result.stderr
    assert not any(title in result.stderr for title in rest)
    assert "+++" not in result.stderr
    assert result.stdout == data["choices"][0]["diff"]


INNER = """
import torch
import torch.nn.functional as F
from torch import nn


def main():
    torch.manual_seed(0)
    first = nn.Linear(3, 3)
    x, y = torch.randn(4, 3), torch.randn(4, 3)
    fast = [p.clone() for p in first.parameters()]
    for _ in range(2):
        loss = F.mse_loss(F.linear(torch.tanh(F.linear(x, *fast)), *fast), y)
        grads = torch.autograd.grad(loss, fast, create_graph=True)
        for w, g in zip(fast, grads):
            w.sub_(0.1 * g)
    F.mse_loss(F.linear(x, *fast), y).backward()
    return first.weight.grad
"""


def test_what_is_repaired_needs_no_advice(command):
    write(inner=INNER)

    result = command("repair", "--diff", "inner.py::main")

    assert "fast = [w.sub(0.1 * g) for w, g in zip(fast, grads)]" in result.stdout
    assert "proved" in result.stderr
    assert "what to do" not in result.stderr


def test_what_is_offered_to_choose_needs_no_advice(command):
    write(inner=INNER.replace("[p.clone() for p in first.parameters()]", "list(first.parameters())"))

    result = command("repair", "inner.py::main")

    assert "fast = [w.sub(0.1 * g) for w, g in zip(fast, grads)]" in result.stderr
    assert "the program goes on with what it computed before a backward" in result.stderr
    assert "--choose 1" in result.stderr and "what to do" not in result.stderr


PUT_BACK = """
import torch
import torch.nn.functional as F
from torch import nn


class Keyword(nn.Module):
    def __init__(self):
        super().__init__()
        self.enter, self.leave = nn.Conv1d(1, 4, 3), nn.Conv1d(4, 2, 2)

    def forward(self, x):
        return self.leave(torch.tanh(self.enter(x[:, None]))).mean(2)


def main():
    torch.manual_seed(0)
    net = Keyword()
    opt = torch.optim.SGD(net.parameters(), lr=0.1)
    x, y = torch.randn(6, 5), torch.randint(2, (6,))
    losses = []
    for _ in range(2):
        kept = [p.data for p in net.parameters()]
        for p in net.parameters():
            p.data = p.data.sign() * p.data.abs().mean()
        loss = F.cross_entropy(net(x), y)
        for p, old in zip(net.parameters(), kept):
            p.data = old
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.detach())
    return {
        "losses": torch.stack(losses),
        "grads": [p.grad for p in net.parameters()],
        **{name: p.detach() for name, p in net.named_parameters()},
    }
"""


def test_weights_that_are_put_back_too_early_are_put_back_behind_the_backward(command):
    write(binary=PUT_BACK)
    lines = "        for p, old in zip(net.parameters(), kept):\n            p.data = old\n"
    backward = "        opt.zero_grad()\n        loss.backward()\n"
    before = Path("binary.py").read_text()
    assert lines + backward in before

    result = command("repair", "binary.py::main")

    assert "FIP303 storage-swapped" in result.stderr + result.stdout
    assert "proved: " in result.stderr + result.stdout
    assert Path("binary.py").read_text() == before.replace(lines + backward, backward + lines)


def test_a_graph_that_is_used_twice_once_it_is_mended_is_said_to_want_a_detach(command):
    write(
        bank="""
        import torch
        from torch import nn


        def main():
            torch.manual_seed(0)
            enc, bank = nn.Linear(3, 2), torch.randn(4, 2)
            for i in range(2):
                q = enc(torch.randn(1, 3))
                loss = (q @ bank.t()).square().mean()
                bank[i] = q[0]
                loss.backward()
            return enc.weight.grad
        """
    )

    result = command("repair", "--diff", "bank.py::main")

    assert result.exit_code == 1
    assert "what one step keeps for the next one needs a `.detach()`" in result.stderr
    assert "outside the sandbox" not in result.stderr


def test_of_a_later_store_the_whole_line_is_shown(command):
    write(
        boxes="""
        import torch


        def main():
            x = torch.ones(3, 4, requires_grad=True)
            y = x.sigmoid()
            y.mul_(2)
            y[..., 2:4] = (y[..., 2:4] * 2) ** 2
            y.sum().backward()
            return x.grad
        """
    )

    result = command("repair", "--explain", "boxes.py::main")

    assert "  then       boxes.py:8:5  y[..., 2:4] = (y[..., 2:4] * 2) ** 2\n" in result.stderr


def test_equal_values_are_not_called_other_elements(command):
    write(
        equal="""
        import torch
        import torch.nn.functional as F


        def main():
            x = torch.ones(3, requires_grad=True)
            h = x.exp()
            F.leaky_relu(h, 0.1, inplace=True).sum().backward()
            return x.grad
        """
    )

    result = command("repair", "--explain", "equal.py::main")

    assert "  unchanged  the saved elements still have their old values" in result.stderr
    assert "other elements" not in result.stderr


def test_a_place_that_is_left_alone_is_named_once():
    """A call of a module holds several operators, each with a standing of its own."""
    places = [Place("/p.py", line, 5, line, 9) for line in (1, 2, 3)]
    spots = (
        Spot(places[0], "relu_", 1, Standing.CULPRIT, True),
        Spot(places[0], "mul_", 1, Standing.HARMLESS, True),
        Spot(places[1], "mul_", 1, Standing.HARMLESS, True),
        Spot(places[1], "relu_", 1, Standing.PENDING, True),
        Spot(places[2], "relu_", 1, Standing.HARMLESS, True),
    )
    program = code("pass")
    culprit = Culprit((Offence("FIP101", None, (), places[0]),), ())
    outcome = Outcome("p.py", Trace((), spots), None, True, lambda path: program, lambda path: None, Found((culprit,)))

    alone = [line for line in report.lines(outcome) if "left alone" in line]

    assert [line.partition(", left alone: ") for line in alone] == [
        ("in place, saved, not needed", ", left alone: ", "/p.py:2:5"),
        ("in place and harmless in this run", ", left alone: ", "/p.py:3:5"),
    ]


@pytest.mark.parametrize(
    ("text", "op", "told"),
    [
        ("torch.softmax(a, 0) @ b", "squeeze_", False),
        ("self.cell(x, h)", "add_", False),
        ("self.act(x)", "relu_", True),
        ("h.squeeze_()", "squeeze_", True),
        ("F.selu(h, inplace=True)", "add_", True),
        ("torch.add(a, b, out=c)", "add_", True),
        ("h += 1", "add_", True),
    ],
)
def test_what_torch_does_to_memory_of_its_own_is_not_told(text: str, op: str, told: bool):
    place = Place("/p.py", 2, 5, 2, 9, text=text)
    spots = (Spot(place, op, 1, Standing.HARMLESS, True), Spot(place, "mul_", 1, Standing.PENDING, True))
    program = code("pass")
    culprit = Culprit((Offence("FIP101", None, (), Place("/p.py", 1)),), ())
    outcome = Outcome("p.py", Trace((), spots), None, True, lambda path: program, lambda path: None, Found((culprit,)))

    assert any("left alone" in line for line in report.lines(outcome)) is told


@pytest.mark.slow
def test_two_culprits_are_repaired_together(command):
    two = GATE.replace("        return h", "        g = h.tanh()\n        g *= 2\n        return g")
    write(gate=two, train=TRAIN)

    result = command("repair", "train.py")

    assert result.exit_code == 0, result.stderr
    text = Path("gate.py").read_text()
    assert "h = h + x" in text
    assert "g = g * 2" in text


@pytest.mark.slow
def test_a_parameter_written_by_hand_stays_in_place(command):
    write(
        init="""
        import math
        import torch
        from torch import nn


        def main():
            torch.manual_seed(0)
            head = nn.Linear(4, 6)
            bias = head.bias.view(2, 3)
            bias[:, 0] += math.log(8)
            bias[:, 1:] += math.log(0.6)
            loss = head(torch.randn(5, 4)).square().mean()
            loss.backward()
            return {"loss": loss, "bias": head.bias.grad}
        """
    )

    result = command("repair", "--output-format", "json", "init.py::main")

    data = document(result)
    assert data["culprits"][0]["rule"] == "FIP203"
    assert data["culprits"][0]["culprit"]["line"] == 10
    assert "+    bias = head.bias.detach().view(2, 3)\n" in data["patch"]["diff"], data["patch"]


AGAIN = """
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 1)
        self.register_buffer("scale", torch.ones(1))

    def block(self, x):
        return torch.tanh(self.linear(x) / self.scale)

    def forward(self, x):
        h = checkpoint(self.block, x, use_reentrant=False)
        self.scale.mul_(0.5)
        return h


def main():
    torch.manual_seed(0)
    net = Scaled()
    loss = net(torch.randn(3, 2)).sum()
    loss.backward()
    return net.linear.weight.grad
"""


@pytest.mark.slow
def test_a_copy_that_changes_no_gradient_is_no_repair(command):
    """The checkpoint computes again from the overwritten buffer, whatever is copied where it is read."""
    write(again=AGAIN)
    before = Path("again.py").read_text()

    result = command("repair", "--output-format", "json", "again.py::main")

    data = document(result)
    assert result.exit_code == 1
    assert [each for each in data["tried"] if each["verdict"] == "proved"] == []
    assert Path("again.py").read_text() == before


NUMPY = """
import torch


def main():
    w = torch.ones(3, requires_grad=True)
    x = torch.arange(3.0)
    view = x.numpy()
    y = w * x
    view *= 2
    y.sum().backward()
    return w.grad
"""


@pytest.mark.slow
def test_a_line_that_writes_through_numpy_is_found_by_a_second_run(command):
    write(view=NUMPY)

    result = command("repair", "--diff", "--output-format", "json", "view.py::main")

    data = document(result)
    assert places(data) == [("view.py", 9, 8, 10)], data["culprits"]
    assert data["status"] == "repaired"


@pytest.mark.slow
def test_explaining_names_what_only_a_second_run_finds(command):
    write(view=NUMPY)

    result = command("repair", "--explain", "--output-format", "json", "view.py::main")

    data = document(result)
    assert (result.exit_code, data["exit"], data["status"]) == (1, 1, "found")
    assert places(data) == [("view.py", 9, 8, 10)], data["culprits"]
    (culprit,) = data["culprits"]
    assert [culprit[part]["column"] for part in ("culprit", "save", "backward")] == [5, 9, 5]
    assert {culprit[part]["file"] for part in ("culprit", "save", "backward")} == {"view.py"}
    assert (culprit["rule"], culprit["name"]) == ("FIP302", "foreign-view-write")
    assert (data["tried"], data["choices"], data["patch"], data["written"]) == ([], [], None, False)


@pytest.mark.slow
def test_what_was_tried_says_why_it_fell(command):
    write(again=AGAIN)

    data = document(command("repair", "--diff", "--output-format", "json", "again.py::main"))

    assert data["tried"]
    for tried in data["tried"]:
        assert tried["verdict"] in ("unproved", "refuted")
        assert tried["reason"] and tried["sentence"]
        assert tried["proposals"][0]["title"] and tried["diff"]
        assert tried["evidence"]


@pytest.mark.slow
def test_what_is_not_proved_is_no_patch_on_standard_output(command):
    write(again=AGAIN)

    result = command("repair", "--diff", "again.py::main")

    assert result.exit_code == 1
    assert result.stdout == ""


SURROUNDED = """
import os
import sys
from pathlib import Path

import torch

scale = float(os.environ["SCALE"])
data = torch.tensor([float(x) for x in Path("../numbers.txt").read_text().split()], requires_grad=True)
y = data.sigmoid()
y += scale
Path("log.txt").write_text("ran")
y.square().sum().backward()
"""


@pytest.mark.slow
def test_a_program_that_needs_its_surroundings_is_proved_in_place(command, monkeypatch, tmp_path):
    Path("numbers.txt").write_text("1 2 3")
    Path("run").mkdir()
    monkeypatch.chdir("run")
    monkeypatch.setenv("SCALE", "2")
    write(train=SURROUNDED)

    copied = command("repair", "--diff", "train.py")
    Path("log.txt").unlink()
    own = command("repair", "--diff", "--in-place-runs", "train.py")

    assert "unproved probe-failed" in copied.stderr and "KeyError: 'SCALE'" in copied.stderr
    assert "--in-place-runs proves in its own folder" in copied.stderr
    assert "proved: " in own.stderr and "+y = y + scale" in own.stdout
    assert Path("log.txt").read_text() == "ran"


@pytest.mark.slow
def test_a_run_in_place_writes_its_own_folder_and_nothing_else(command, monkeypatch):
    Path("run").mkdir()
    monkeypatch.chdir("run")
    text = SURROUNDED.replace('scale = float(os.environ["SCALE"])', "scale = 2").replace('"log.txt"', '"../log.txt"')
    write(train=text.replace('[float(x) for x in Path("../numbers.txt").read_text().split()]', "[1.0, 2.0]"))

    result = command("repair", "--diff", "--in-place-runs", "train.py")

    assert "is stopped by the sandbox" in result.stderr, result.stderr
