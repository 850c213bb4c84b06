"""Inputs are made for model classes, and the fixes proved with them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from made_models import HEAD, MODELS
from typer.testing import Result

Fix = Callable[..., dict[str, tuple[str, str | None, str]]]


@pytest.fixture
def fixed(command: Callable[..., Result], tmp_path: Path) -> Fix:
    """Runs `fix` on one file: verdict, reason and sentence by the text that is written in place."""

    def run(text: str, *words: str) -> dict[str, tuple[str, str | None, str]]:
        Path("model.py").write_text(HEAD + text)
        result = command("fix", "--diff", "--no-cache", "--output-format", "json", *words, "model.py")
        (file,) = json.loads(result.stdout)["files"]
        found = {}
        for each in file["findings"]:
            outcome = each["outcome"]
            found[each["message"].partition("`")[2].partition("`")[0]] = (
                outcome.get("verdict"),
                outcome.get("reason"),
                outcome.get("sentence") or "",
            )
        return found

    return run


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_a_class_as_libraries_have_it_is_proved(name: str, fixed: Fix):
    found = fixed(MODELS[name])

    assert found
    assert {verdict for verdict, _, _ in found.values()} == {"proved"}, found


def test_a_class_is_proved_and_its_probe_shown(command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(tmp_path)
    Path("model.py").write_text(HEAD + MODELS["squeeze"])

    result = command("fix", "--no-cache", "--show-probe", "model.py")

    assert "fixed 1 (proved 1" in result.stderr
    assert re.search(r"result = model\(x=x\)", result.stderr)
    text = result.stderr[result.stderr.index("# probe for") : result.stderr.index("fixed 1 (proved")]
    scope: dict[str, object] = {}
    exec(compile(text, "<shown>", "exec"), scope)
    calls = scope["probe"]()  # type: ignore[operator]
    assert len(calls) >= 4
    assert {call["model"].training for call in calls} == {True, False}
    assert len({tuple(call["given"]["x"].shape) for call in calls}) >= 3
    assert len({call["given"]["x"].dtype for call in calls}) == 2


def test_an_input_that_is_written_stays_with_its_callers(fixed: Fix):
    """No function of the file is called: the write into the caller's tensor shows only at the probe's own input."""
    found = fixed("""
class Body(nn.Sequential):
    def __init__(self, dim):
        super().__init__(nn.ReLU(inplace=True), nn.Linear(dim, dim))
""")

    assert all(verdict != "proved" for verdict, _, _ in found.values()), found


@pytest.mark.slow
def test_what_is_not_found_is_told_with_the_last_error(fixed: Fix):
    found = fixed("""
class Secret(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.fc = nn.Linear(dim, dim)

    def forward(self, x):
        if x.sum() != 12345:
            raise RuntimeError("wrong word")
        h = self.fc(x).exp()
        h += x[0].mean(dtype=getattr(torch, 'float32'))
        return h
""")

    (outcome,) = {(verdict, reason) for verdict, reason, _ in found.values()}
    assert outcome == ("unproved", "no-probe")
    assert all("`Secret`" in sentence and "wrong word" in sentence for _, _, sentence in found.values())


@pytest.mark.slow
def test_code_that_no_input_reaches_is_not_proved(fixed: Fix):
    found = fixed("""
class Never(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.fc = nn.Linear(dim, dim)

    def forward(self, x):
        h = self.fc(x).exp()
        if x.shape[0] == 987:
            h += self.fc(h)
        return h
""")

    assert all(verdict != "proved" for verdict, _, _ in found.values()), found


def test_a_wrong_rewrite_is_not_proved_by_gates_that_start_at_zero(lab, tmp_path: Path):
    """A branch whose gate is zero at first has no gradient: with such inputs any rewrite of the branch looks right."""
    from fixinplace.inputs import snippet
    from fixinplace.inputs.values import Argument, Literal, Recipe, Tensor
    from fixinplace.model import Edit, Fix, Span, Verdict
    from fixinplace.verify import search
    from fixinplace.verify.probes import Probe

    text = (
        HEAD
        + """
class Gated(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.gate = nn.Parameter(torch.zeros(dim))
        self.fc = nn.Linear(dim, dim)

    def forward(self, x):
        h = self.fc(x)
        h += 1
        return x + self.gate * h
"""
    )
    path = tmp_path / "gated.py"
    path.write_text(text)
    dim, x = Argument("dim", Literal(4)), Argument("x", Tensor((2, 4)))
    body = snippet.body(Recipe("target.Gated", (dim,), (x,)), snippet.Variant())
    probe = Probe("made", str(path), "Gated", text=snippet.text([body]))
    start = text.index("h += 1")
    wrong = Fix(1, "operator", "", (Edit(Span(start, start + 6), "h = h + 2"),), False)

    proof = search.prove(text, str(path), [wrong], [probe], lab)

    assert proof.rulings[1].verdict is Verdict.REFUTED


@pytest.mark.slow
def test_a_package_that_is_not_used_is_not_needed(fixed: Fix):
    used = """
import absent_package
from absent_package.parts import Base, helper as other


class Own(Base):
    pass


class Plain(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.fc = nn.Linear(dim, dim)

    def forward(self, x):
        h = self.fc(x).exp()
        h *= 2
        return h


class Using(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.fc = nn.Linear(dim, dim)

    def forward(self, x):
        h = other(self.fc(x)).exp()
        g = self.fc(x).exp()
        g -= h.to(torch.float64)
        return g
"""
    found = fixed(used)

    assert found["h *= 2"][0] == "proved"
    assert found["g -= h.to(torch.float64)"][:2] == ("unproved", "needs-package")
    assert "absent_package" in found["g -= h.to(torch.float64)"][2]


@pytest.mark.slow
def test_an_example_in_a_docstring_is_run(fixed: Fix):
    found = fixed('''
class Shaped(nn.Module):
    """Works for one shape.

    >>> shaped = Shaped("k7-q")
    >>> out = shaped(torch.randn(3, 7, 5, 11))
    """

    def __init__(self, code):
        super().__init__()
        if code != "k" + str(7) + "-q":
            raise ValueError("no such code")
        self.fc = nn.Linear(11, 11)

    def forward(self, x):
        if tuple(x.shape) != (3, 7, 5, 11):
            raise RuntimeError("no such shape")
        h = self.fc(x).exp()
        h *= 2
        return h
''')

    assert found["h *= 2"][0] == "proved", found


@pytest.mark.slow
def test_what_was_found_is_kept_and_used_again(command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from fixinplace.verify.runner import Runner

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Path("model.py").write_text(HEAD + MODELS["squeeze"])
    assert "proved 1" in command("fix", "--diff", "model.py").stderr
    (kept,) = (tmp_path / "cache" / "fixinplace" / "probes").glob("*.json")
    assert json.loads(kept.read_text())[0]["unit"] == "Squeeze"

    def find(*args: object) -> None:
        raise AssertionError("looked for anew")

    monkeypatch.setattr(Runner, "find", find)
    assert "proved 1" in command("fix", "--diff", "model.py").stderr
    kept.write_text("[")
    assert "looked for anew" in command("fix", "--diff", "model.py").stderr


@pytest.mark.slow
def test_a_kept_probe_that_fails_by_now_is_looked_for_anew(command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Path("model.py").write_text(HEAD + MODELS["squeeze"])
    command("fix", "--diff", "model.py")
    (kept,) = (tmp_path / "cache" / "fixinplace" / "probes").glob("*.json")
    kept.write_text(kept.read_text().replace("channels=32", "channels=-1"))

    assert "proved 1" in command("fix", "--diff", "model.py").stderr


@pytest.mark.slow
def test_without_inputs_nothing_is_made(fixed: Fix):
    assert fixed(MODELS["squeeze"], "--no-inputs")["s.sigmoid_()"][0] != "proved"


@pytest.mark.slow
def test_programs_that_try_to_escape_end_their_own_search_only(fixed: Fix, tmp_path: Path):
    body = """
class {name}(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.fc = nn.Linear(dim, dim)

    def forward(self, x):
        {act}
        h = self.fc(x).exp()
        h += {number}
        return h
"""
    acts = {
        "Loops": "while True: pass",
        "Leaves": "import os; os._exit(0)",
        "Exits": "raise SystemExit(0)",
        "Asks": "input()",
        "Writes": f"open({str(tmp_path / 'out')!r}, 'w').write('x')",
        "Calls": "import socket; socket.create_connection(('10.0.0.1', 80), timeout=1)",
        "Fills": "torch.zeros(100 << 30, dtype=torch.uint8).fill_(1)",
        "Works": "pass",
    }
    texts = [body.format(name=name, act=act, number=number) for number, (name, act) in enumerate(acts.items())]
    found = fixed("".join(texts))

    assert not (tmp_path / "out").exists()
    proved = {text for text, (verdict, _, _) in found.items() if verdict == "proved"}
    assert proved == {f"h += {list(acts).index('Works')}"}


@pytest.mark.slow
def test_a_sandbox_may_be_required(command, monkeypatch: pytest.MonkeyPatch):
    from fixinplace.verify import bubblewrap
    from fixinplace.verify.connection import Connection

    hello = Connection.hello
    monkeypatch.setattr(Connection, "hello", lambda server: hello(server) | {"landlock": 0})
    monkeypatch.setattr(bubblewrap, "find", lambda: None)
    Path("model.py").write_text(HEAD + MODELS["squeeze"])

    result = command("fix", "--diff", "--require-sandbox", "model.py")

    assert result.exit_code == 2
    assert "--require-sandbox" in result.stderr
    assert command("fix", "--require-sandbox", "--allow-run", "model.py").exit_code == 2


STRANGE = """
class Strange(nn.Module):
    def __init__(self, code):
        super().__init__()
        if code != "k" + str(7) + "-q":
            raise ValueError("no such code")
        self.fc = nn.Linear(5, 5)

    def forward(self, x):
        h = self.fc(x).exp()
        h *= 2
        return h
"""

STRANGE_TEST = """
import torch
from pkg.model import Strange


def test_other():
    assert True


def test_strange():
    model = Strange("-".join(["k7", "q"]))
    out = model(torch.randn(3, 5))
    out.sum().backward()
    assert model.fc.weight.grad is not None
"""


@pytest.mark.slow
def test_a_test_of_the_project_is_run_for_what_made_inputs_do_not_reach(command, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path("cache").absolute()))
    for name, text in {
        "pyproject.toml": "",
        "pkg/__init__.py": "",
        "pkg/model.py": HEAD + STRANGE,
        "tests/test_strange.py": STRANGE_TEST,
        "tests/test_unrelated.py": "def test_nothing():\n    raise SystemExit\n",
    }.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)

    for _ in range(2):  # then from what was kept of the first run: that no inputs were found
        result = command("fix", "--diff", "--output-format", "json", "pkg")

        (finding,) = json.loads(result.stdout)["files"][-1]["findings"]
        assert finding["outcome"]["verdict"] == "proved", finding
        assert "test_strange.py::test_strange" in finding["outcome"]["evidence"][0]["probe"]


@pytest.mark.slow
def test_a_call_in_another_file_of_the_project_is_tried(command):
    use = "from pkg.model import Strange\n\n\ndef build():\n    return Strange('k7-q')\n"
    for name, text in {
        "pyproject.toml": "",
        "pkg/__init__.py": "",
        "pkg/model.py": HEAD + STRANGE,
        "scripts/use.py": use,
    }.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)

    result = command("fix", "--diff", "--no-cache", "--output-format", "json", "pkg")

    (finding,) = json.loads(result.stdout)["files"][-1]["findings"]
    assert finding["outcome"]["verdict"] == "proved", finding
    assert "made inputs" in finding["outcome"]["evidence"][0]["probe"]


def test_tests_are_found_by_what_they_import(tmp_path: Path):
    from fixinplace.commands import own_tests

    for name, text in {
        "pyproject.toml": "",
        "src/pkg/__init__.py": "from pkg.model import Strange\n",
        "src/pkg/model.py": "class Strange: pass\n",
        "tests/test_a.py": "import pkg\n\n\ndef test_one(): pass\n",
        "tests/test_b.py": "import os\n\n\ndef test_two(): pass\n",
        "tests/c_test.py": "from pkg import model\n\n\nclass TestIt:\n    def test_three(self):\n        Strange()\n",
        ".venv/test_d.py": "import pkg\n\n\ndef test_four(): pass\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    model = tmp_path / "src" / "pkg" / "model.py"
    root = own_tests.project(model)

    found = own_tests.probes(model, root, ["Strange"])

    assert root == tmp_path
    assert [probe.arguments[-1] for probe in found] == [
        "tests/c_test.py::TestIt::test_three",
        "tests/test_a.py::test_one",
    ]


PASSED_IN = """
class Normed(nn.Module):
    def __init__(self, dim, norm_layer=nn.LayerNorm, proj=None):
        super().__init__()
        self.fc, self.norm, self.proj = nn.Linear(dim, dim), norm_layer(dim), proj

    def forward(self, x):
        y = torch.sigmoid(self.fc(x))
        h = self.norm(y)
        h += 1
        return h + y


def projected(x, proj=None):
    y = torch.exp(x)
    h = proj(y) if proj is not None else y * 2
    h -= 1
    return h * y


class Head(nn.Module):
    def __init__(self, dim, head: nn.Module, act_layer=nn.GELU):
        super().__init__()
        self.fc, self.head, self.act = nn.Linear(dim, dim), head, act_layer()

    def forward(self, x):
        y = self.act(self.fc(x) * 2)
        y /= 2
        h = self.head(torch.tanh(y))
        h *= 3
        return torch.sigmoid(h)
"""


@pytest.mark.slow
def test_layers_that_are_passed_in_may_hand_on_what_they_are_given(fixed: Fix):
    found = fixed(PASSED_IN)

    assert {name: each[:2] for name, each in found.items()} == {
        "h += 1": ("refuted", "forward-differs"),
        "h -= 1": ("refuted", "forward-differs"),
        "y /= 2": ("proved", None),
        "h *= 3": ("proved", None),
    }


@pytest.mark.slow
def test_what_is_safe_says_too_why_nothing_was_run(fixed: Fix):
    body = "        super().__init__()\n        self.fc = nn.Linear(dim, dim)\n"
    found = fixed(f"""
import nonexistent_einops


class Moved(nn.Module):
    def __init__(self, dim):
{body}
    def forward(self, x):
        h = torch.tanh(self.fc(x.to("cuda")))
        h += 1
        return h


class Arranged(nn.Module):
    def __init__(self, dim):
{body}
    def forward(self, x):
        h = torch.tanh(self.fc(nonexistent_einops.rearrange(x, "b n c -> n b c")))
        h *= 2
        return h


class Starred(nn.Module):
    def __init__(self, dim):
{body}
    def forward(self, *xs):
        h = torch.tanh(self.fc(xs[0]))
        for x in xs[1:]:
            h -= x
        return h
""")

    assert {name: each[:2] for name, each in found.items()} == {
        "h += 1": ("safe", "needs-gpu"),
        "h *= 2": ("safe", "needs-package"),
        "h -= x": ("proved", None),
    }


DYING = """

class Dying(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.fc = nn.Linear(dim, dim)

    def forward(self, x):
        h = torch.sigmoid(self.fc(x))
        h *= 2
        return h
"""


@pytest.mark.slow
@pytest.mark.parametrize("another", ["", DYING], ids=["alone", "beside one with a probe of its own"])
def test_what_one_class_cannot_be_proved_for_does_not_cost_the_others(another: str, fixed: Fix):
    found = fixed(
        """
import time


class Calm(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.fc = nn.Linear(dim, dim)

    def forward(self, x):
        h = self.fc(x)
        h += x[0].mean(dtype=getattr(torch, 'float32'))
        return h


class Moody(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.fc = nn.Linear(dim, dim)

    def forward(self, x):
        h = self.fc(x) * (time.perf_counter_ns() % 1000)
        h -= x[0].mean(dtype=getattr(torch, 'float32'))
        return h
"""
        + another
    )

    assert found.pop("h *= 2", ("proved",))[0] == "proved"
    assert found["h += x[0].mean(dtype=getattr(torch, 'float32'))"][0] == "proved"
    assert found["h -= x[0].mean(dtype=getattr(torch, 'float32'))"][0] == "unproved"
