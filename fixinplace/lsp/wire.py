"""A proof as JSON between the child and the server."""

from __future__ import annotations

import math
from typing import Any

from fixinplace.lsp.proofs import Key, Proven
from fixinplace.model import Edit, Evidence, Ruling, Span, Verdict
from fixinplace.report import document

Json = dict[str, Any]


def dump(proven: Proven) -> Json:
    """JSON-able data."""
    return {
        "before": proven.before,
        "rulings": [{"key": dump_key(key), **document.ruling(ruling)} for key, ruling in proven.rulings.items()],
        "edits": [_edit(edit) for edit in proven.edits],
        "written": [dump_key(key) for key in proven.written],
        "wanted": None if proven.wanted is None else dump_key(proven.wanted),
    }


def read(data: Json) -> Proven:
    """The proof that `dump` wrote."""
    return Proven(
        data["before"],
        {read_key(each["key"]): _ruling(each) for each in data["rulings"]},
        tuple(_read_edit(each) for each in data["edits"]),
        frozenset(read_key(each) for each in data["written"]),
        None if data["wanted"] is None else read_key(data["wanted"]),
    )


def dump_key(key: Key) -> Json:
    """A key as JSON-able data."""
    return {"rule": key[0], "start": key[1], "end": key[2], "edits": [_edit(edit) for edit in key[3]]}


def read_key(data: Json) -> Key:
    """The key that `dump_key` wrote."""
    return data["rule"], data["start"], data["end"], tuple(_read_edit(each) for each in data["edits"])


def _edit(edit: Edit) -> list[Any]:
    return [edit.span.start, edit.span.end, edit.text]


def _read_edit(data: list[Any]) -> Edit:
    return Edit(Span(data[0], data[1]), data[2])


def _ruling(data: Json) -> Ruling:
    evidence = tuple(_evidence(each) for each in data["evidence"])
    return Ruling(Verdict(data["verdict"]), data["reason"], data["sentence"], evidence)


def _evidence(data: Json) -> Evidence:
    difference = math.nan if data["difference"] is None else data["difference"]
    values: Json = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
    return Evidence(**{**values, "difference": difference})
