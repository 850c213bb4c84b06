"""Probes with made inputs tell a wrong rewrite from a right one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from made_models import HEAD, MODELS

from fixinplace import config, pipeline
from fixinplace.commands.cache import Cache
from fixinplace.commands.making import Maker
from fixinplace.model import Edit, Fix, Verdict
from fixinplace.source import parse
from fixinplace.verify import search
from fixinplace.verify.runner import Runner


def detached(text: str) -> str:
    """The same values without their gradient."""
    name, _, value = text.partition(" = ")
    return f"{name} = ({value}).detach()"


def scaled(text: str) -> str:
    """Values a little off."""
    name, _, value = text.partition(" = ")
    return f"{name} = ({value}) * 1.001"


def widened(text: str) -> str:
    """The same values in another dtype."""
    name, _, value = text.partition(" = ")
    return f"{name} = ({value}).to(torch.bfloat16)"


def edited(edit: Edit, wrong: Callable[[str], str]) -> Edit:
    return replace(edit, text=wrong(edit.text))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in MODELS if name != "volume"])
def test_a_wrong_rewrite_is_refuted_and_the_right_one_proved(name: str, lab: Runner, tmp_path: Path):
    path = tmp_path / "model.py"
    text = HEAD + MODELS[name]
    path.write_text(text)
    source = parse(str(path), text.encode())
    analysis = pipeline.analyse(source, config.selected((), ()))
    fixes = tuple(pipeline.fixes(analysis.findings).values())
    probes = Maker(lab, Cache(None)).make(source, fixes).probes
    assert probes

    def rulings(changed: tuple[Fix, ...]) -> set[tuple[Verdict, str | None]]:
        proof = search.prove(text, str(path), changed, probes, lab)
        return {(ruling.verdict, ruling.reason) for ruling in proof.rulings.values()}

    assert rulings(fixes) == {(Verdict.PROVED, None)}
    for wrong in (detached, scaled, widened):
        changed = tuple(
            replace(fix, safe=False, edits=tuple(edited(edit, wrong) for edit in fix.edits)) for fix in fixes
        )
        found = rulings(changed)
        assert {verdict for verdict, _ in found} == {Verdict.REFUTED}, wrong.__name__
        assert "still-raises" not in {reason for _, reason in found}
        if wrong is not widened:  # what follows may not take the other dtype
            assert "new-error" not in {reason for _, reason in found}, wrong.__name__
