"""`--scope broken`: only what a run shows to break is offered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_commands_together import MODEL, TRAIN, write

from fixinplace.verify.runner import Runner

PROGRAM = """
import torch


def gate(x):
    h = torch.sigmoid(x)
    h += x
    return h


def harmless(x):
    y = x * 3
    y += 1
    return y


def never(x):
    y = torch.exp(x)
    y *= 2
    return y


def second(x):
    y = torch.tanh(x)
    y.mul_(2)
    return y


if __name__ == "__main__":
    w = torch.ones(3, requires_grad=True)
    gate(harmless(w)).sum().backward()
    second(w).sum().backward()
"""
SCOPED = ("--scope", "broken", "--no-cache")


def fixed(command, *words: str) -> dict[str, list[dict]]:
    """Findings of every file, the untouched ones included."""
    result = command("fix", *SCOPED, "--output-format", "json", *words)
    assert result.exit_code in (0, 1), result.stderr
    files = json.loads(result.stdout)["files"]
    return {file["path"]: [*file["findings"], *file["untouched"]] for file in files}


def outcomes(findings: list[dict]) -> dict[int, str | None]:
    """Line → verdict, or name of the refusal."""
    return {each["line"]: each["outcome"].get("verdict") or each["outcome"].get("reason") for each in findings}


@pytest.mark.slow
def test_only_what_breaks_is_rewritten_also_where_one_error_hides_another(command):
    write({"train.py": PROGRAM})

    result = command("fix", "train.py", "--no-inputs", *SCOPED)

    text = Path("train.py").read_text()
    assert result.exit_code == 0
    assert all(each in text for each in ("h = h + x", "y = y.mul(2)", "y += 1", "y *= 2"))
    assert "fixed 2 (proved 2, safe 0, unproved 0) in 1 of 1 file" in result.stderr
    assert "untouched 2 (not-broken 2)" in result.stderr
    again = command("fix", "train.py", "--no-inputs", *SCOPED)
    assert (again.exit_code, Path("train.py").read_text()) == (0, text)


@pytest.mark.slow
def test_tracked_is_the_default(command):
    write({"train.py": PROGRAM})

    plain = command("fix", "train.py", "--no-inputs", "--no-cache", "--diff").stdout

    assert plain == command("fix", "train.py", "--no-inputs", "--no-cache", "--diff", "--scope", "tracked").stdout
    assert "+    y = y + 1" in plain


@pytest.mark.slow
def test_it_says_what_ran_and_what_did_not(command):
    write({"train.py": PROGRAM})

    (findings,) = fixed(command, "train.py", "--no-inputs", "--diff").values()

    said = {each["line"]: each["outcome"]["sentence"] for each in findings}
    assert said[12] == "it ran, and no backward failed or went wrong by it"
    assert said[18] == "no run showed that it breaks anything"


@pytest.mark.slow
def test_made_inputs_are_runs_as_well(command):
    write({"lib.py": PROGRAM.partition("if __name__")[0]})

    assert outcomes(fixed(command, "lib.py", "--diff")["lib.py"]) == {
        6: "proved", 18: "proved", 24: "proved"
    }  # fmt: skip
    assert set(outcomes(fixed(command, "lib.py", "--diff", "--no-inputs")["lib.py"]).values()) == {"not-broken"}


@pytest.mark.slow
def test_what_a_script_breaks_in_another_file_is_found(command):
    write({"model.py": MODEL, "train.py": TRAIN})

    result = command("fix", "--no-inputs", *SCOPED)

    assert "h = h + 1" in Path("model.py").read_text()
    assert "loss = loss * 2" in Path("train.py").read_text() or "loss *= 2" in Path("train.py").read_text()
    assert result.exit_code == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fix", "migrate"])
def test_a_script_with_nothing_to_fix_says_what_breaks_in_what_it_imports(name: str, command):
    model = MODEL + "\n\ndef other(x):\n    y = x * 2\n    y += 1\n    return y\n"
    train = TRAIN.replace("    loss *= 2\n", "").replace("model.layer(w * 2)", "model.other(model.layer(w * 2))")
    write({"model.py": model, "train.py": train})

    result = command(name, "--no-inputs", *SCOPED)

    text = Path("model.py").read_text()
    assert "h = h + 1" in text and "y += 1" in text
    assert "fixed 1 (proved 1, safe 0, unproved 0) in 1 of 2 files" in result.stderr
    assert result.exit_code == 0


MODULES = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(3, 3)
        self.bad = nn.ReLU(inplace=True)
        self.fine = nn.ReLU(inplace=True)

    def forward(self, x):
        h = torch.tanh(self.a(x))
        h = self.bad(h) * 1.0
        return self.fine(h)


if __name__ == "__main__":
    Net()(torch.ones(2, 3)).sum().backward()
"""


@pytest.mark.slow
def test_of_modules_only_the_guilty_one_is_switched_off(command):
    write({"net.py": MODULES})

    found = outcomes(fixed(command, "net.py", "--no-inputs", "--diff")["net.py"])

    assert found == {9: "proved", 10: "not-broken"}


STEP = """
import torch


if __name__ == "__main__":
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    loss = model(torch.ones(1, 2)).sum()
    loss.backward(retain_graph=True)
    optimizer.step()
    loss.backward()
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fix", "migrate"])
def test_what_breaks_and_has_no_rewrite_is_told(name: str, command):
    write({"train.py": STEP})

    result = command(name, "train.py", "--diff", "--no-inputs", *SCOPED)

    assert result.exit_code == 1
    assert "refused 1 (only-repair 1)" in result.stderr


@pytest.mark.slow
def test_what_is_ignored_stays_ignored(command):
    write({"train.py": PROGRAM.replace("h += x", "h += x  # fixinplace: ignore[augmented-name] known")})

    found = fixed(command, "train.py", "--diff", "--no-inputs")

    assert set(outcomes(found["train.py"]).values()) == {"not-broken"}  # the second error never shows


@pytest.mark.slow
def test_rules_that_are_not_selected_are_not_told(command):
    write({"train.py": STEP})

    assert outcomes(fixed(command, "train.py", "--diff", "--no-inputs", "--select", "FIP1")["train.py"]) == {}


ALIASED = """
import torch


def kept(x):
    h = torch.{op}(x)
    alias = [[h]]
    print(len(alias))
    h += 1
    return alias


if __name__ == "__main__":
    w = torch.ones(3, requires_grad=True)
    kept(w * 1)[0][0].sum().backward()
"""


@pytest.mark.slow
@pytest.mark.parametrize(("op", "reason"), [("sigmoid", "container-slot"), ("neg", "not-broken")])
def test_a_refusal_stands_only_where_something_breaks(op: str, reason: str, command):
    write({"train.py": ALIASED.format(op=op)})

    assert outcomes(fixed(command, "train.py", "--diff", "--no-inputs")["train.py"]) == {8: reason}


@pytest.mark.slow
def test_a_campaign_offers_the_same(command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for folder in ("fixed", "migrated"):
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        write({"train.py": PROGRAM, "net.py": MODULES})
    command_words = ("--no-inputs", *SCOPED)
    monkeypatch.chdir(tmp_path / "fixed")
    one = command("fix", *command_words)
    monkeypatch.chdir(tmp_path / "migrated")

    other = command("migrate", "--quiet", *command_words)

    assert other.exit_code == one.exit_code == 0
    assert other.stderr.splitlines()[-2:] == one.stderr.splitlines()[-2:]
    for name in ("train.py", "net.py"):
        assert Path(name).read_text() == (tmp_path / "fixed" / name).read_text()


@pytest.mark.parametrize("name", ["fix", "migrate"])
def test_without_a_run_nothing_is_known_to_be_broken(name: str, command):
    write({"train.py": PROGRAM})

    result = command(name, "train.py", "--scope", "broken", "--verify", "off")

    assert result.exit_code == 2
    assert "--scope broken is told by a run, and --verify off runs nothing" in " ".join(result.stderr.split())


def test_standard_input_without_a_name_cannot_be_run(command):
    result = command("fix", "-", *SCOPED, stdin=PROGRAM.encode())

    assert result.exit_code == 2
    assert result.stderr == (
        "fixinplace: --scope broken is told by a run: give the source a name with --stdin-filename\n"
    )


def test_without_a_sandbox_nothing_is_known_either(command, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Runner, "problem", property(lambda self: ("no-sandbox", "there is no sandbox here")))
    write({"train.py": PROGRAM})

    result = command("fix", "train.py", "--no-inputs", *SCOPED)

    assert result.exit_code == 2
    assert result.stderr == "fixinplace: --scope broken has to run the code: there is no sandbox here\n"
    assert Path("train.py").read_text() == PROGRAM.lstrip("\n")
