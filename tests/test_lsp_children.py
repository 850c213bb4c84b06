"""Children that have ended: what they leave behind is killed, and nothing that others start at that moment."""

from __future__ import annotations

import os

import pytest

from fixinplace.lsp.children import Children
from fixinplace.verify import processes

ANALYST, ORPHAN, WORK = 50_001, 50_002, 50_003


@pytest.fixture
def tree(monkeypatch: pytest.MonkeyPatch) -> dict[int, list[int]]:
    """A tree of processes below this one, which grows at each look: an analyst starts work at any moment."""
    below = {os.getpid(): [ANALYST, ORPHAN], ANALYST: []}

    def children(pid: int) -> list[int]:
        found = list(below.get(pid, ()))
        below[ANALYST] = [WORK]
        return found

    monkeypatch.setattr(processes, "_children", children)
    return below


def test_work_that_starts_while_it_is_looked_for_what_was_left_is_spared(tree):
    assert Children(spared=lambda: {ANALYST})._left() == [ORPHAN]
    assert Children(spared=lambda: {ANALYST})._left() == [ORPHAN]


def test_what_a_process_that_is_not_spared_has_started_is_found(tree):
    tree[ORPHAN] = [50_004]

    assert Children(spared=lambda: {ANALYST})._left() == [ORPHAN, 50_004]
    assert processes.descendants(os.getpid()) == [ANALYST, ORPHAN, WORK, 50_004]
