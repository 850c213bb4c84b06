"""Who saved, who wrote, which backward needed it, and why: one small program per situation."""

from __future__ import annotations

import pytest
from situations import DIES, REFUSED, SILENT, Situation
from tracing import native, traced

from fixinplace.trace.events import Standing
from fixinplace.trace.tracer import Options


def named(situation: Situation) -> str:
    return situation.name


@pytest.mark.parametrize("content", [False, True], ids=["versions", "content"])
@pytest.mark.parametrize("situation", DIES, ids=named)
@pytest.mark.filterwarnings("ignore")
def test_what_dies_is_blamed(situation: Situation, content: bool):
    expected = native(situation.text)
    run = traced(situation.text, Options(content=content))
    assert run.trace.offences
    offence = run.trace.offences[0]
    place, save, needed = offence.writes[0].place, offence.save, offence.needed
    assert place is not None and save is not None and save.place is not None and needed is not None

    assert {place.line} <= run.lines("write")
    assert {save.place.line} <= run.lines("save")
    assert {needed.line} <= run.lines("backward")
    assert (offence.rule, offence.silent, offence.complete) == (situation.rule, False, True)
    assert place.text.startswith(situation.piece)
    assert type(run.error) is type(expected) is RuntimeError
    assert str(run.error)[:60] == str(expected)[:60] == offence.message[:60]
    assert not any(each.silent for each in run.trace.offences)


@pytest.mark.parametrize("content", [False, True], ids=["versions", "content"])
@pytest.mark.parametrize("situation", SILENT, ids=named)
@pytest.mark.filterwarnings("ignore")
def test_what_is_silently_wrong_is_blamed(situation: Situation, content: bool):
    run = traced(situation.text, Options(content=content))
    assert run.trace.offences
    offence = run.trace.offences[0]
    place, save, needed = offence.writes[0].place, offence.save, offence.needed
    assert place is not None and save is not None and save.place is not None and needed is not None

    assert native(situation.text) is None and run.error is None
    assert {place.line} <= run.lines("write")
    assert {save.place.line} <= run.lines("save")
    assert {needed.line} <= run.lines("backward")
    assert (offence.rule, offence.silent, offence.message) == (situation.rule, True, "")


@pytest.mark.parametrize("situation", REFUSED, ids=named)
@pytest.mark.filterwarnings("ignore")
def test_what_is_refused_at_once_is_blamed(situation: Situation):
    expected = native(situation.text)
    run = traced(situation.text)
    offence = run.offence
    (write,) = offence.writes
    assert write.place is not None

    assert {write.place.line} == run.lines("write")
    assert offence.rule == situation.rule
    assert str(run.error) == str(expected) == offence.message
    assert (offence.save, offence.needed, offence.silent) == (None, None, False)
    assert write.place.text.startswith(situation.piece)
    for line in run.lines("view"):
        assert f"the view was made at {write.place.file}:{line}:" in offence.note


@pytest.mark.parametrize("situation", [each for each in DIES if "thread" not in each.name], ids=named)
@pytest.mark.filterwarnings("ignore")
def test_a_culprit_is_a_spot(situation: Situation):
    run = traced(situation.text)
    write = run.trace.offences[0].writes[0]
    culprits = [spot for spot in run.trace.spots if spot.standing is Standing.CULPRIT]

    plain = write.by != "engine" and write.op not in ("detach_", "mark_dirty")
    assert (write.place in [spot.place for spot in culprits]) is plain
