"""A function that learns nothing is not read again, and what it told is told again; see `detect/ledger.py`."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from fixinplace import detect
from fixinplace.detect import ledger, reader
from fixinplace.detect.ledger import Ledger
from fixinplace.source import Text

ROOT = Path(__file__).parents[1]
ALL = sorted([*(ROOT / "corpus").glob("*.py"), *(ROOT / "tests" / "repair_cases").rglob("*.py")])
FILES = [path for n, path in enumerate(ALL) if n % 8 == 0 or "inplace=True" in path.read_text(encoding="utf-8")]


class Shelf:
    def __init__(self):
        self.book = "a"
        self.heard = []

    def read(self, _):
        return self.book

    def hear(self, word):
        self.heard.append(word)


def reading(kept: Ledger, shelf: Shelf, done: list, also=None):
    def work():
        kept.tell(shelf.hear, kept.ask(shelf.read, None))
        done.append(1)
        if also is not None:
            also()

    return work


def test_what_got_the_same_answers_tells_the_same_unread():
    kept, shelf, done = Ledger(), Shelf(), []
    for _ in range(3):
        kept.read("f", reading(kept, shelf, done))
    assert (len(done), shelf.heard) == (1, ["a", "a", "a"])


def test_another_answer_is_a_reason_to_read():
    kept, shelf, done = Ledger(), Shelf(), []
    kept.read("f", reading(kept, shelf, done))
    shelf.book = "b"
    kept.read("f", reading(kept, shelf, done))
    kept.read("f", reading(kept, shelf, done))
    assert (len(done), shelf.heard) == (2, ["a", "b", "b"])


def test_what_cannot_be_asked_again_is_read_in_every_round():
    kept, shelf, done = Ledger(), Shelf(), []
    for _ in range(2):
        kept.read("f", reading(kept, shelf, done, kept.unrepeatable))
    assert (len(done), shelf.heard) == (2, ["a", "a"])


def test_a_unit_that_was_once_repeatable_is_forgotten_when_it_no_longer_is():
    kept, shelf, done = Ledger(), Shelf(), []
    kept.read("f", reading(kept, shelf, done))
    shelf.book = "b"
    kept.read("f", reading(kept, shelf, done, kept.unrepeatable))
    shelf.book = "a"
    kept.read("f", reading(kept, shelf, done))
    assert (len(done), shelf.heard) == (3, ["a", "b", "a"])


def scanned(path: Path):
    text = path.read_text(encoding="utf-8")
    return [detect.scan(Text(text), ast.parse(text), imported) for imported in (False, True)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_reading_less_finds_the_same(path: Path, monkeypatch: pytest.MonkeyPatch):
    sparing = scanned(path)
    monkeypatch.setattr(ledger.Ledger, "read", lambda self, unit, work: work())
    assert sparing == scanned(path)


def test_most_functions_are_read_once(monkeypatch: pytest.MonkeyPatch):
    helpers = "\n".join(f"def h{n}(x):\n    x = x * {n}\n    x += 1\n    return x\n" for n in range(10))
    text = f"import torch\n{helpers}\ndef main(y):\n    return h0(y.relu())\n"
    count = []
    original = reader._function
    monkeypatch.setattr(reader, "_function", lambda *words: (count.append(words[4]), original(*words)))
    detect.scan(Text(text), ast.parse(text))
    again = {name for name in count if count.count(name) > 1}
    assert again == {"h0", "main"}  # what it is called with, and what that then returns
