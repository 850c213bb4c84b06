"""What the repository says about itself must be so."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from fixinplace import detect, names, rewrite
from fixinplace.cli import app
from fixinplace.model import Fix
from fixinplace.report import rules
from fixinplace.source import parse

COMMANDS = (["check"], ["fix"], ["repair"], ["migrate"], ["merge-reports"], ["record"], ["rule"])


def options(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text))


def test_options_in_the_readme_exist(root: Path, command):
    documented = options((root / "README.md").read_text()) - {"--git-dir", "--steps", "--fixinplace"}
    existing = options("".join(command(*words, "--help").stdout for words in ([], *COMMANDS)))

    assert documented <= existing
    assert existing - documented == {"--help", "--version", "--ignore", "--config"} - documented


def test_commands_in_the_readme_exist(root: Path):
    documented = set(re.findall(r"`fixinplace ([a-z-]+)", (root / "README.md").read_text()))

    assert documented == {
        command.callback.__name__.replace("_", "-") for command in app.registered_commands if command.callback
    }


def test_every_reason_in_the_readme_is_a_reason(root: Path):
    known = {*names.REFUSALS, *names.UNPROVED, *names.REFUTED, *(rule.name for rule in names.RULES)}
    section = (root / "README.md").read_text().partition("A refusal is not a failure")[2].partition("\n## ")[0]

    assert set(re.findall(r"`([a-z]+-[a-z-]+)`", section)) <= known


def anywhere(printed: str) -> str:
    """What a machine prints that has no bubblewrap."""
    return printed.replace("isolation bwrap", "isolation landlock")


def test_the_readme_shows_what_the_command_prints(root: Path, command):
    readme = (root / "README.md").read_text()
    program, transcript = (re.search(rf"```{start}(.*?)```", readme, re.DOTALL) for start in ("python\n", r"\n\$ "))
    assert program is not None and transcript is not None
    Path("train.py").write_text(program[1])
    typed, _, printed = transcript[1].partition("\n")

    result = command(*typed.split()[1:])

    assert anywhere(result.stderr) == printed
    edited = program[1].replace("h += x", "h = h + x").replace("scores.clamp_(", "scores = scores.clamp(")
    assert Path("train.py").read_text() == edited


def test_the_readme_shows_what_repair_prints(root: Path, command):
    readme = (root / "README.md").read_text()
    program = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
    transcript = re.search(r"```\n\$ fixinplace repair --diff train.py\n(.*?)```", readme, re.DOTALL)
    assert program is not None and transcript is not None
    Path("train.py").write_text(program[1])

    result = command("repair", "--diff", "train.py")

    assert anywhere(result.stderr + result.stdout).rstrip() == transcript[1].rstrip()
    assert Path("train.py").read_text() == program[1]


def test_the_readme_shows_what_record_prints_and_keeps(root: Path, command):
    readme = (root / "README.md").read_text()
    program = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
    transcript = re.search(r"```\n\$ fixinplace record -- train.py\n(.*?)```", readme, re.DOTALL)
    kept = re.search(r"```json\n(\{.*?)```", readme.partition("### Recorded calls")[2], re.DOTALL)
    assert program is not None and transcript is not None and kept is not None
    Path("train.py").write_text(program[1])
    Path("pyproject.toml").touch()

    result = command("record", "--", "train.py")

    assert (result.exit_code, result.stderr) == (1, transcript[1])
    assert json.loads(Path("fixinplace-calls.json").read_text())["calls"] == json.loads(kept[1])
    assert kept[1].replace("\n", "\n ")[2:-3] in Path("fixinplace-calls.json").read_text()


def test_the_changelog_names_every_rewrite(root: Path):
    changelog = (root / "CHANGELOG.md").read_text()

    assert [each.name for each in rewrite.rewrites() if f"`{each.name}`" not in changelog] == []


def test_every_rewrite_is_documented_on_the_page_of_a_rule():
    pages = "\n".join(line for rule in names.RULES for line in rules.page(rule, rewrite.rewrites()))

    assert [each.name for each in rewrite.rewrites() if each.documentation not in pages] == []


def test_every_rewrite_has_a_program_in_the_corpus(root: Path):
    used: set[str] = set()
    for path in sorted((root / "corpus").glob("*.py")):
        source = parse(str(path), path.read_bytes())
        found = detect.scan(source.part, ast.parse(source.part.text))
        findings = (one for run in (True, False) for one in rewrite.plan(source.part, found, run))
        used |= {finding.outcome.rewrite for finding in findings if isinstance(finding.outcome, Fix)}

    assert {each.name for each in rewrite.rewrites()} - used == set()


def test_the_corpus_is_as_large_as_promised(root: Path):
    programs, untouched = (sorted((root / folder).glob("*.py")) for folder in ("corpus", "corpus/untouched"))

    assert len(programs) >= 40
    assert len(untouched) >= len(programs)


MODULES = sorted(Path(__file__).resolve().parent.parent.glob("fixinplace/**/*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(MODULES[0].parent.parent).as_posix())
def test_modules_and_functions_are_small(path: Path):
    tree = ast.parse(path.read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]

    assert len(path.read_text().splitlines()) <= 400
    assert [f.name for f in functions if (f.end_lineno or 0) - f.lineno >= 60] == []


STATIC = (
    "detect",
    "rewrite",
    "repair",
    "report",
    "commands",
    "campaign",
    "lsp",
    "model",
    "pipeline",
    "rounds",
    "suppress",
    "config",
    "cli",
    "files",
    "names",
    "source",
)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(MODULES[0].parent.parent).as_posix())
def test_only_the_code_that_runs_things_imports_torch(path: Path):
    part = path.relative_to(MODULES[0].parent).parts[0].removesuffix(".py")
    imported: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module.partition(".")[0])

    assert part not in STATIC or "torch" not in imported
