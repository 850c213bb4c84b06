from __future__ import annotations

import pytest
from findings import fixed, source_of

from fixinplace import config, suppress
from fixinplace.model import Finding, Problem
from fixinplace.source import Text

ALL = config.selected((), ())


def split(text: str, *findings: Finding, enabled: frozenset[str] = ALL):
    kept, suppressed, problems = suppress.split("m.py", Text(text), findings, enabled)
    return len(kept), len(suppressed), [(problem.line, problem.column, problem.message) for problem in problems]


@pytest.mark.parametrize(
    "comment",
    [
        "# fixinplace: ignore[augmented-name] the caller wants it",
        "# fixinplace: ignore[FIP101]",
        "# fixinplace:ignore [fip104, fip101]  # noqa",
        "# type: ignore  # fixinplace: ignore[augmented-name, FIP104]",
        "# fixinplace: ignore",
        "# fixinplace: ignore because it is mine",
    ],
)
def test_a_comment_suppresses_the_finding_on_its_line(comment: str):
    text = f"h += 1  {comment}\n"

    kept, suppressed, _ = split(text, fixed(text, "h += 1", "h = h + 1"))

    assert (kept, suppressed) == (0, 1)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("h += 1  # fixinplace: ignore[underscore-method]\n", id="another rule"),
        pytest.param("h += 1\n# fixinplace: ignore\n", id="the next line"),
        pytest.param("h += 1; s = '# fixinplace: ignore'\n", id="a string"),
        pytest.param("h += 1  # fixinplace: ignored\n", id="another word"),
        pytest.param("h += 1  # fixinplace: ignore[augmented-name\n", id="an open bracket"),
        pytest.param("h += 1  # ignore\n", id="somebody else's"),
    ],
)
def test_what_only_looks_like_it_suppresses_nothing(text: str):
    kept, suppressed, _ = split(text, fixed(text, "h += 1", "h = h + 1"))

    assert (kept, suppressed) == (1, 0)


def test_any_line_of_the_finding_will_do():
    text = "h += (\n    1  # fixinplace: ignore\n)\n"

    assert split(text, fixed(text, "h += (\n    1  # fixinplace: ignore\n)", "h = h + 1")) == (0, 1, [])


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lines_are_counted_as_python_counts_them(newline: str):
    text = newline.join(["x = '\x0c'", "h += 1  # fixinplace: ignore", ""])

    assert split(text, fixed(text, "h += 1", "h = h + 1")) == (0, 1, [])


def test_a_comment_that_suppresses_nothing_is_a_problem_with_its_place():
    text = "é = 1  # fixinplace: ignore[augmented-name, FIP104] both\n"

    assert split(text) == (
        0,
        0,
        [
            (1, 8, "the ignore comment suppresses no augmented-name (FIP101) here"),
            (1, 8, "the ignore comment suppresses no underscore-method (FIP104) here"),
        ],
    )
    assert split("x = 1  # fixinplace: ignore\n") == (0, 0, [(1, 8, "the ignore comment suppresses nothing here")])


def test_a_rule_that_is_off_cannot_be_called_unused():
    text = "x = 1  # fixinplace: ignore[FIP104]\n"

    assert split(text, enabled=ALL - {"FIP104"}) == (0, 0, [])
    assert split(text, enabled=ALL - {"FIP903"}) == (0, 0, [])


@pytest.mark.parametrize(
    ("comment", "message"),
    [
        ("# fixinplace: ignore[augmented-nam]", "unknown rule `augmented-nam`; did you mean `augmented-name`?"),
        ("# fixinplace: ignore[]", "names no rule between its brackets"),
        ("# fixinplace: ignore[FIP101", "is not understood"),
        ("# fixinplace: off", "is not understood"),
    ],
)
def test_a_comment_that_cannot_be_understood_is_a_problem(comment: str, message: str):
    _, _, problems = split(f"x = 1  {comment}\n")

    assert len(problems) == 1
    assert message in problems[0][2]


def test_problems_name_rule_and_path():
    _, _, problems = suppress.split("m.py", source_of("x = 1  # fixinplace: ignore\n").part, (), ALL)

    assert problems == (Problem("FIP903", "m.py", "the ignore comment suppresses nothing here", 1, 8),)
