"""Programs whose names share memory still do the same once they are fixed; see Note [Programs that run]."""

from __future__ import annotations

import ast
import os
import random
from collections import Counter

import pytest
from alias_fixing import Judged, fix, judge
from alias_programs import program, programs
from hypothesis import HealthCheck, given, settings

from fixinplace import detect, source
from fixinplace.model import Fix

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
"""Some programs do what torch warns of, such as `x.T` of three dimensions."""
PROGRAMS = int(os.environ.get("FIXINPLACE_PROGRAMS", "1000"))
"""How many programs the slow test tries; thousands before a release, `FIXINPLACE_PROGRAMS=10000`."""
_PROFILE = settings(
    derandomize=True, deadline=None, database=None, print_blob=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)  # fmt: skip


def check(text: str) -> None:
    """Fails if the program's safe fixes change what it does, are not all, or touch what they should not."""
    judged = judge(text)
    shown = f"{judged.wrong}\n{text}\n{judged.fixed}"
    assert judged.wrong is None, shown
    again = fix(judged.fixed)
    assert not again.changed, f"{shown}\n{again.text}"
    assert judged.fixed.count("# kept") == text.count("# kept"), shown
    assert _in_order(_untouched(judged), judged.fixed.splitlines()), shown


def _untouched(judged: Judged) -> list[str]:
    """The lines in which no statement stands that was rewritten."""
    touched: set[int] = set()
    for finding in judged.written:
        span = finding.site.statement
        touched |= set(range(judged.text.count("\n", 0, span.start), judged.text.count("\n", 0, span.end) + 1))
        assert isinstance(finding.outcome, Fix)
        for edit in finding.outcome.edits:
            touched |= {judged.text.count("\n", 0, edit.span.start)} if edit.span.start < edit.span.end else set()
    return [line for number, line in enumerate(judged.text.splitlines()) if number not in touched]


def _in_order(lines: list[str], among: list[str]) -> bool:
    rest = iter(among)
    return all(line in rest for line in lines)


@settings(_PROFILE, max_examples=300)
@given(programs)
def test_safe_fixes_keep_what_can_be_seen(text: str):
    check(text)


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, PROGRAMS, 500))
def test_safe_fixes_keep_what_can_be_seen_of_many(start: int):
    for seed in range(start, start + 500):
        check(program(random.Random(seed)))


def test_the_programs_are_fixed_in_many_ways():
    count: Counter[str] = Counter()
    for seed in range(90):
        text = program(random.Random(seed))
        judged = judge(text)
        part = source.Text(text)
        facts = {(one.site.rule, one.site.span): one.facts for one in detect.scan(part, ast.parse(text))}
        fixed = [facts.get((one.rule, one.site.span)) for one in judged.written]
        count["ran"] += judged.ran
        count["fixed"] += bool(judged.written)
        count["family"] += any(one is not None and len(one.family) > 1 for one in fixed)
        count["loop"] += bool(judged.written) and "for " in text
        count["function"] += bool(judged.written) and text.count("def ") > 1
        count["refused"] += bool(judged.refused)
        count["scatter"] += judged.fixed.count("_scatter(") > text.count("_scatter(")
    least = {"ran": 85, "fixed": 45, "family": 12, "loop": 8, "function": 4, "refused": 20, "scatter": 1}
    assert all(count[what] >= number for what, number in least.items()), count
