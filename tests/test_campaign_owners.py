"""CODEOWNERS patterns, as GitHub documents them."""

from __future__ import annotations

import pytest

from fixinplace.campaign.owners import pattern


@pytest.mark.parametrize(
    ("text", "matching", "other"),
    [
        ("*", ["a.py", "a/b.py"], []),
        ("*.py", ["a.py", "a/b.py"], ["a.pyi", "a.py.txt"]),
        ("/docs/", ["docs/a.py", "docs/b/a.py"], ["x/docs/a.py", "docs"]),
        ("docs/*", ["docs/a.py"], ["docs/b/a.py", "x/docs/a.py"]),
        ("apps/", ["apps/a.py", "x/apps/y/a.py"], ["apps.py"]),
        ("/apps/a", ["apps/a", "apps/a/b.py"], ["x/apps/a", "apps/ab"]),
        ("**/logs", ["logs/a.py", "x/y/logs/a.py"], ["xlogs/a.py"]),
        ("src/**/test.py", ["src/test.py", "src/a/b/test.py"], ["test.py"]),
        ("src/**", ["src/a.py", "src/a/b.py"], ["src"]),
        ("m?.py", ["m1.py", "a/m2.py"], ["m.py", "m12.py"]),
        ("with\\ blank.py", ["with blank.py"], ["with"]),
    ],
)
def test_patterns(text: str, matching: list[str], other: list[str]):
    found = pattern(text)

    assert [path for path in matching if not found.fullmatch(path)] == []
    assert [path for path in other if found.fullmatch(path)] == []
