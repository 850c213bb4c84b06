"""Offsets and the positions of editors, in three encodings; buffers and the changes that make new ones; small hunks."""

from __future__ import annotations

import pytest
from lsprotocol import types

from fixinplace.lsp import edits, positions
from fixinplace.lsp.buffers import Buffer, key_of, path_of
from fixinplace.lsp.moved import Moved
from fixinplace.lsp.positions import Encoding
from fixinplace.model import Edit, Span
from fixinplace.source import Text, apply

TEXTS = (
    "",
    "h += 1",
    "a\nb\r\nc\rd\n",
    "😀 = 'é'\n\tx😀y\r\n",
    "a\x0cb\u2028c\x85d\n😀\n",
    "x\n\n\n",
    "é" * 5 + "\n" + "漢😀" * 3,
)


def independent(text: str, offset: int, encoding: Encoding) -> types.Position:
    """By encoding what stands before."""
    before = text[:offset].replace("\r\n", "\n").replace("\r", "\n")
    line = before.rpartition("\n")[2]
    codec, size = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}[encoding]
    return types.Position(before.count("\n"), len(line.encode(codec)) // size)


@pytest.mark.parametrize("encoding", list(Encoding))
@pytest.mark.parametrize("text", TEXTS)
def test_positions_are_those_that_the_encoded_text_has(text: str, encoding: Encoding):
    for offset in range(len(text) + 1):
        if text[offset - 1 : offset + 1] == "\r\n":
            continue  # no position is inside of a line end
        there = positions.position(Text(text), offset, encoding)

        assert there == independent(text, offset, encoding)
        assert positions.offset(Text(text), there, encoding) == offset


@pytest.mark.parametrize(("line", "character", "offset"), [(0, 99, 2), (1, 99, 6), (2, 0, 8), (9, 9, 8), (0, 2, 2)])
def test_a_position_behind_the_end_means_the_end(line: int, character: int, offset: int):
    assert positions.offset(Text("ab\r\ncd\r\n"), types.Position(line, character), Encoding.UTF16) == offset


def test_a_position_inside_of_a_character_means_its_beginning():
    assert positions.offset(Text("a😀b"), types.Position(0, 2), Encoding.UTF16) == 1
    assert positions.offset(Text("a😀b"), types.Position(0, 4), Encoding.UTF8) == 1


# --- buffers


def buffer(
    text: str, encoding: Encoding = Encoding.UTF16, uri: str = "file:///a.py", language: str = "python"
) -> Buffer:
    return Buffer(uri, 1, language, Text(text), encoding)


def partial(start: tuple[int, int], end: tuple[int, int], text: str) -> types.TextDocumentContentChangePartial:
    return types.TextDocumentContentChangePartial(types.Range(types.Position(*start), types.Position(*end)), text)


def test_changes_are_made_one_after_the_other():
    changes = [partial((0, 0), (0, 1), "XY"), partial((0, 2), (0, 2), "😀"), partial((0, 4), (1, 0), "")]

    changed = buffer("ab\ncd\n").changed(7, changes)

    assert (changed.raw.text, changed.version) == ("XY😀cd\n", 7)


@pytest.mark.parametrize("separator", ["\x0c", "\u2028", "\x0b", "\x85", "\x1c"])
def test_lines_end_where_they_end_for_an_editor(separator: str):
    text = f"a{separator}b\nc\n"

    assert buffer(text).changed(2, [partial((1, 0), (1, 1), "C")]).raw.text == f"a{separator}b\nC\n"


def test_text_is_appended_behind_a_last_line_without_an_end():
    assert buffer("ab").changed(2, [partial((0, 2), (0, 2), "c")]).raw.text == "abc"
    assert buffer("ab\n").changed(2, [partial((1, 0), (1, 0), "c")]).raw.text == "ab\nc"


def test_a_byte_order_mark_that_an_editor_sends_is_no_part_of_the_program():
    marked = buffer("\ufeffh += 1\n", Encoding.UTF8)

    assert marked.part.text == "h += 1\n"
    assert marked.range_of(Span(0, 6)) == types.Range(types.Position(0, 3), types.Position(0, 9))
    assert marked.offset(types.Position(0, 3)) == 0
    assert marked.range_of(Span(7, 7)).start == types.Position(1, 0)


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:///a/b%20c/m%C3%BCller.py", "/a/b c/müller.py"),
        ("file:///a/b;c%23d%3Fe%25.py", "/a/b;c#d?e%.py"),
        ("untitled:Untitled-1", None),
        ("vscode-notebook-cell:/a/b.ipynb#W0", None),
        ("file://", None),
    ],
)
def test_paths_of_uris(uri: str, path: str | None):
    found = path_of(uri)

    assert (found.as_posix() if found is not None else None) == path
    assert key_of(uri) == key_of(uri.replace("%C3%BC", "ü").replace("%20", " "))


@pytest.mark.parametrize(
    ("uri", "language", "wanted"),
    [
        ("file:///a.py", "python", True),
        ("file:///a.py", "", True),
        ("untitled:Untitled-1", "python", True),
        ("file:///a.txt", "plaintext", False),
        ("vscode-notebook-cell:/a/b.ipynb#W0", "python", False),
        ("git:/a/b.py?HEAD", "python", False),
    ],
)
def test_what_is_looked_at(uri: str, language: str, wanted: bool):
    assert buffer("", uri=uri, language=language).is_python is wanted


# --- hunks


@pytest.mark.parametrize(
    ("text", "made", "wanted"),
    [
        ("h += x\n", [(0, 6, "h = h + x")], [(2, 4, "= h +")]),
        ("a\r\nb\r\n", [(0, 6, "a\r\nc\r\n")], [(3, 4, "c")]),
        ("a\r\nb", [(0, 4, "a\nb")], [(1, 3, "\n")]),
        ("ab", [(1, 1, "x"), (1, 2, "y")], [(1, 2, "xy")]),
        ("ab", [(0, 1, "a")], []),
        ("abc", [(0, 1, "x"), (2, 3, "z")], [(0, 1, "x"), (2, 3, "z")]),
        ("aa", [(0, 2, "aaa")], [(2, 2, "a")]),
    ],
)
def test_hunks_are_small_and_do_not_touch(text, made, wanted):
    given = [Edit(Span(start, end), new) for start, end, new in made]

    found = edits.minimal(Text(text), given)

    assert apply(text, found) == apply(text, given)
    assert [(edit.span.start, edit.span.end, edit.text) for edit in found] == wanted


@pytest.mark.parametrize(
    ("old", "new", "hunk"),
    [("a\r\nb", "a\rb", (1, 3, "\r")), ("a\rb", "a\r\nb", (1, 2, "\r\n")), ("a\nb", "a\r\nb", (1, 2, "\r\n"))],
)
def test_a_hunk_never_begins_or_ends_inside_of_a_line_end(old, new, hunk):
    (made,) = edits.minimal(Text(old), [Edit(Span(0, len(old)), new)])

    assert apply(old, [made]) == new
    assert (made.span.start, made.span.end, made.text) == hunk


def test_a_line_that_is_gone_is_not_where_one_like_it_is():
    moved = Moved("c\na\na\n", "c\na\n")

    assert moved.span(Span(2, 3)) == Span(2, 3)
    assert moved.span(Span(4, 5)) is None
