"""Only what changes changes: indentation, line ends, comments, neighbours on the line, headers."""

from __future__ import annotations

import ast

import pytest
from rewriting import at, fixed, plan, rewritten

from fixinplace.model import Place, Usage

ADD = at("x.add_(1)", "Tensor.add_", usage=Usage.VALUE, read_later=True)
PLUS = at("x += 1", "Tensor.__iadd__")
STORE = at("x[0]", "Tensor.__setitem__", place=Place.SUBSCRIPT)


@pytest.mark.parametrize(
    ("before", "after", "site"),
    [
        pytest.param("if c: x += 1\n", "if c: x = x + 1\n", PLUS, id="one-line-suite"),
        pytest.param("a = 1; x += 1; b = 2\n", "a = 1; x = x + 1; b = 2\n", PLUS, id="semicolons"),
        pytest.param("if c: x[0] = 1\n", "if c: x = x.clone(); x[0] = 1\n", STORE, id="clone-in-a-one-line-suite"),
        pytest.param("if c: \\\n  x[0] = 1\n", "if c: \\\n  x = x.clone(); x[0] = 1\n", STORE,
                     id="suite-after-a-backslash"),
        pytest.param("a = 1; x[0] = 1\n", "a = 1; x = x.clone(); x[0] = 1\n", STORE, id="clone-after-a-semicolon"),
        pytest.param("x[0] = 1; a = 1\n", "x = x.clone()\nx[0] = 1; a = 1\n", STORE, id="clone-before-a-semicolon"),
        pytest.param("if c:\n\tx[0] = 1\n", "if c:\n\tx = x.clone()\n\tx[0] = 1\n", STORE, id="tabs"),
        pytest.param("if c:\n    x[0] = 1  # one\n", "if c:\n    x = x.clone()\n    x[0] = 1  # one\n", STORE,
                     id="comment"),
        pytest.param("if c:\r\n  x[0] = 1\r\n", "if c:\r\n  x = x.clone()\r\n  x[0] = 1\r\n", STORE, id="crlf"),
        pytest.param("if c:\r  x[0] = 1\r", "if c:\r  x = x.clone()\r  x[0] = 1\r", STORE, id="cr"),
        pytest.param("x[0] = 1", "x = x.clone()\nx[0] = 1", STORE, id="no-final-newline"),
        pytest.param("é = 'é'; x[0] = 'é'\n", "é = 'é'; x = x.clone(); x[0] = 'é'\n", STORE, id="wide-characters"),
        pytest.param("é = '😀'; r = f(é, x.add_(1))\n", "é = '😀'; x = x.add(1); r = f(é, x)\n", ADD,
                     id="wide-characters-inside-the-statement"),
        pytest.param("# a\n\n\nx += 1  # b\n\n# c\n", "# a\n\n\nx = x + 1  # b\n\n# c\n", PLUS, id="blank-lines"),
        pytest.param("if f(x.add_(1)):\n    y = 1\n", "x = x.add(1)\nif f(x):\n    y = 1\n", ADD, id="if"),
        pytest.param("def g():\n    if f(x.add_(1)):\n        y = 1\n",
                     "def g():\n    x = x.add(1)\n    if f(x):\n        y = 1\n",
                     ADD, id="indented-if"),
        pytest.param("if (f(\n    x.add_(1))):\n    y = 1\n", "x = x.add(1)\nif (f(\n    x)):\n    y = 1\n", ADD,
                     id="if-in-parentheses"),
        pytest.param("for i in x.add_(1):\n    y = 1\n", "x = x.add(1)\nfor i in x:\n    y = 1\n", ADD, id="for"),
        pytest.param("with f(x.add_(1)) as g, h:\n    y = 1\n",
                     "x = x.add(1)\nwith f(x) as g, h:\n    y = 1\n", ADD, id="with"),
        pytest.param("match x.add_(1):\n    case _:\n        y = 1\n",
                     "x = x.add(1)\nmatch x:\n    case _:\n        y = 1\n", ADD,
                     id="match"),
        pytest.param("r = f(x.add_(\n        1), \"\"\"\n  text\n\"\"\")\n",
                     "x = x.add(\n        1)\nr = f(x, \"\"\"\n  text\n\"\"\")\n",
                     at("x.add_(\n        1)", "Tensor.add_", usage=Usage.VALUE, read_later=True), id="lines-inside"),
        pytest.param("r = x.add_(1) \\\n    .sum()\n", "x = x.add(1)\nr = x \\\n    .sum()\n", ADD, id="backslash"),
        pytest.param("r = (  # why\n    x.add_(1).sum()\n)\n", "x = x.add(1)\nr = (  # why\n    x.sum()\n)\n", ADD,
                     id="comment-in-parentheses"),
    ],
)  # fmt: skip
def test_layout(before, after, site):
    result = rewritten(before, site)

    assert result == after
    ast.parse(result)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("if x.relu_().sum() > 0:\n    y = 1\n", "if x.relu().sum() > 0:\n    y = 1\n", id="if"),
        pytest.param("if a:\n    y = 1\nelif x.relu_().sum() > 0:\n    y = 1\n",
                     "if a:\n    y = 1\nelif x.relu().sum() > 0:\n    y = 1\n", id="elif"),
        pytest.param("assert x.relu_().sum() > 0\n", "assert x.relu().sum() > 0\n", id="assert"),
    ],
)  # fmt: skip
def test_a_header_whose_tensor_nobody_reads_later_is_edited_in_place(before, after):
    assert rewritten(before, at("x.relu_()", "Tensor.relu_", usage=Usage.VALUE)) == after


@pytest.mark.parametrize(
    ("before", "after", "site"),
    [
        pytest.param("if x.eq_(y):\n    z = 1\n", "if x.eq(y).to(x.dtype):\n    z = 1\n",
                     at("x.eq_(y)", "Tensor.eq_", usage=Usage.VALUE), id="cast"),
        pytest.param("if x.zero_():\n    z = 1\n", "if torch.fill(x, 0):\n    z = 1\n",
                     at("x.zero_()", "Tensor.zero_", usage=Usage.VALUE), id="fill"),
        pytest.param("if f(x).relu_():\n    z = 1\n", "if f(x).relu():\n    z = 1\n",
                     at("f(x).relu_()", "Tensor.relu_", "f(x)", Place.TEMPORARY, usage=Usage.VALUE), id="temporary"),
        pytest.param("if (x.relu_()):\n    z = 1\n", "if (x.relu()):\n    z = 1\n",
                     at("x.relu_()", "Tensor.relu_", usage=Usage.VALUE), id="parentheses"),
        pytest.param("if x.add_(1):\n    z = 1\n", "x = x.add(1)\nif x:\n    z = 1\n", ADD, id="hoisted"),
        pytest.param("if x[0].add_(1):\n    z = 1\n", "x = x.clone()\nif x[0].add_(1):\n    z = 1\n",
                     at("x[0].add_(1)", "Tensor.add_", place=Place.SUBSCRIPT, usage=Usage.VALUE), id="part"),
        pytest.param("for i in y, x.relu_():\n    z = 1\n", "for i in y, x.relu():\n    z = 1\n",
                     at("x.relu_()", "Tensor.relu_", usage=Usage.VALUE), id="tuple"),
    ],
)  # fmt: skip
def test_the_whole_header_is_written(before, after, site):
    assert rewritten(before, site) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            "while x.add_(1).sum() > 0:\n    y = 1\n", "while (x := x.add(1)).sum() > 0:\n    y = 1\n", id="every-round"
        ),
        pytest.param("while x.add_(1):\n    y = 1\n", "while (x := x.add(1)):\n    y = 1\n", id="all-of-a-header"),
        pytest.param("while (x.add_(1)):\n    y = 1\n", "while ((x := x.add(1))):\n    y = 1\n", id="in-parentheses"),
        pytest.param(
            "if c:\n    y = 1\nelif x.add_(1).sum() > 0:\n    y = 2\n",
            "if c:\n    y = 1\nelif (x := x.add(1)).sum() > 0:\n    y = 2\n",
            id="elif",
        ),
        pytest.param(
            "with open() as f, x.add_(1) as g:\n    y = 1\n",
            "with open() as f, (x := x.add(1)) as g:\n    y = 1\n",
            id="second-with-item",
        ),
        pytest.param("r = c and x.add_(1)\n", "r = c and (x := x.add(1))\n", id="and"),
        pytest.param("r = y if c else x.add_(1)\n", "r = y if c else (x := x.add(1))\n", id="conditional-expression"),
        pytest.param("r = 0 < c < x.add_(1)\n", "r = 0 < c < (x := x.add(1))\n", id="chained-comparison"),
        pytest.param("@x.add_(1)\ndef g():\n    pass\n", "@(x := x.add(1))\ndef g():\n    pass\n", id="decorator"),
        pytest.param("r = y.sum() + x.add_(1)\n", "r = y.sum() + (x := x.add(1))\n", id="computed-to-the-left"),
        pytest.param("r = f(y * 2, x.add_(1), x)\n", "r = f(y * 2, (x := x.add(1)), x)\n", id="read-afterwards"),
        pytest.param("r = f(x * 2, x.add_(1))\n", "r = f(x * 2, (x := x.add(1)))\n", id="read-and-done"),
        pytest.param("y[0] += x.add_(1)\n", "y[0] += (x := x.add(1))\n", id="a-part-is-read-first"),
    ],
)
def test_what_cannot_come_first_is_bound_in_its_place(before, after):
    assert rewritten(before, at("x.add_(1)", "Tensor.add_", usage=Usage.VALUE, read_later=True)) == after


def test_the_edit_covers_the_statement_and_nothing_else():
    text = "before = 1\nif c:\n    x[0] = f(  1  )  # after\nlast = 1\n"

    (finding,) = plan(text, STORE)

    (edit,) = finding.outcome.edits
    assert text[edit.span.start :].startswith("x[0]")
    assert edit.span.start == edit.span.end
    assert edit.text == "x = x.clone()\n    "


def test_a_comment_that_would_be_lost_refuses():
    text = "x[0].add_(  # why\n    x[1])\n"

    (finding,) = plan(text, at(text.strip(), "Tensor.add_", place=Place.SUBSCRIPT))

    assert fixed(text, (finding,)).count("# why") == 1
