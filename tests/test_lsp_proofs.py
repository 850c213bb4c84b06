"""What is kept of a proof, and for which text it holds."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fixinplace import config, pipeline
from fixinplace.lsp import culprits, proofs, wire
from fixinplace.lsp.proofs import Proven
from fixinplace.model import Edit, Evidence, Fix, Ruling, Span, Verdict
from fixinplace.source import Source, apply, parse

TEXT = """\
import torch


def forward(a, skip):
    h = torch.sigmoid(a)
    h += skip
    g = torch.sigmoid(h)
    g *= skip
    return g.sum()
"""
EVERY = config.selected((), ())
EVIDENCE = Evidence("p", 3, 2, float("nan"), ("a", "b"), (), 4, (0, 1), "landlock", "torch 2", ("note",))


@pytest.fixture(scope="module")
def source() -> Source:
    return parse("model.py", TEXT.encode())


def keys(source: Source) -> list[proofs.Key]:
    return [key for finding in pipeline.analyse(source, EVERY).findings if (key := proofs.key_of(finding))]


def proven(source: Source, *verdicts: Verdict) -> Proven:
    found = keys(source)
    rulings = {key: Ruling(verdict, None, "", (EVIDENCE,)) for key, verdict in zip(found, verdicts, strict=False)}
    written = [key for key, ruling in rulings.items() if ruling.verdict is Verdict.PROVED]
    return Proven(TEXT, rulings, tuple(edit for key in written for edit in key[3]), frozenset(written))


def test_a_proof_survives_the_wire(source):
    found = replace(proven(source, Verdict.PROVED, Verdict.REFUTED), wanted=keys(source)[0])

    again = wire.read(json.loads(json.dumps(wire.dump(found))))

    assert repr(again) == repr(found)
    assert again.ruling is not None and again.ruling.verdict is Verdict.PROVED


def test_what_is_refuted_is_not_fixed_with_the_rest_even_if_it_is_safe_by_its_text(source):
    everything = proofs.safe_and_proved(source, EVERY, None)
    rest = proofs.safe_and_proved(source, EVERY, proven(source, Verdict.REFUTED))

    assert apply(TEXT, list(everything)) == TEXT.replace("h += skip", "h = h + skip").replace(
        "g *= skip", "g = g * skip"
    )
    assert apply(TEXT, list(rest)) == TEXT.replace("g *= skip", "g = g * skip")


def test_a_proof_says_nothing_about_another_text(source):
    other = parse("model.py", (TEXT + "\n").encode())
    found = proven(source, Verdict.REFUTED, Verdict.REFUTED)

    assert proofs.safe_and_proved(other, EVERY, found) == proofs.safe_and_proved(source, EVERY, None)
    analysis = pipeline.analyse(other, EVERY)
    assert proofs.ruled(analysis, other.part.text, found) == analysis
    assert proofs.seals(other.part.text, proven(source, Verdict.PROVED)) == []


def test_a_refutation_is_remembered_until_the_same_fix_is_ruled_on_again(source):
    first, second = proven(source, Verdict.REFUTED, Verdict.PROVED), keys(source)[1]
    later = Proven(TEXT, {second: Ruling(Verdict.PROVED)}, second[3], frozenset({second}), second)

    kept = proofs.with_earlier(later, first)

    assert [ruling.verdict for ruling in kept.rulings.values()] == [Verdict.REFUTED, Verdict.PROVED]
    again = proofs.with_earlier(proven(source, Verdict.PROVED), first)
    assert [ruling.verdict for ruling in again.rulings.values()] == [Verdict.PROVED]
    assert proofs.with_earlier(replace(later, before=TEXT + "\n"), first).rulings == later.rulings


def test_seals_stand_on_what_was_written(source):
    found = proven(source, Verdict.PROVED, Verdict.PROVED)

    for text, statements in ((TEXT, ("h += skip", "g *= skip")), (found.after, ("h = h + skip", "g = g * skip"))):
        assert [text[seal.offset :].partition("\n")[0] for seal in proofs.seals(text, found)] == list(statements)


def test_a_fix_of_several_edits_is_one(source):
    key = ("FIP104", 10, 20, (Edit(Span(0, 0), "x\n"), Edit(Span(10, 20), "y")))

    assert wire.read_key(json.loads(json.dumps(wire.dump_key(key)))) == key
    assert isinstance(pipeline.analyse(source, EVERY).findings[0].outcome, Fix)


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ('Traceback (most recent call last):\n  File "/a/train.py", line 3, in <module>\n    main()\n'
         '  File "/a/model.py", line 9, in forward\n    h += 1\nRuntimeError: x', "/a/train.py"),
        ('Traceback (most recent call last):\n  File "<frozen runpy>", line 198, in _run_module_as_main\n'
         '  File "/a/b/main.py", line 3, in <module>\n', "/a/b/main.py"),
        ('# Traceback (most recent call last):\n#   File "t r.py", line 3, in <module>\n', "t r.py"),
        ('Traceback (most recent call last):\n  File "/a/t.py", line 3, in main\n', "/a/t.py"),
        ('  File "/a/train.py", line 3, in <module>\n', "/a/train.py"),
        ('[rank0]: Traceback (most recent call last):\n[rank0]:   File "/a/t.py", line 3, in <module>\n', "/a/t.py"),
        ("Traceback (most recent call last):\nRuntimeError", None),
        ("", None),
    ],
)  # fmt: skip
def test_the_script_of_a_traceback(text, script):
    assert culprits.script_of(text) == script
