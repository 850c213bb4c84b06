"""Statements under `torch.no_grad()`: in one block with their neighbours, in the fewest changed lines."""

from __future__ import annotations

import ast
import textwrap

import pytest
from choosing import PATH, code
from proposing import HEAD, offence, proposed
from proposing import function as method

from fixinplace.repair.base import Change, Proposal, Tier, Wrap
from fixinplace.repair.patching import compose

INDENT = " " * 4
HEADER = "with torch.no_grad():"


def put(text: str, header: str = HEADER) -> str:
    """The text with every statement on a line that ends in `#!` put into a block, without these marks."""
    program = code(text)
    marked = [n for n, line in enumerate(text.splitlines(), 1) if line.endswith("#!")]
    nodes = [node for node in ast.walk(program.tree) if isinstance(node, ast.stmt) and node.end_lineno in marked]
    spans = [program.text.span(node) for node in nodes if not hasattr(node, "body")]
    found = [
        Proposal("without-grad", Tier.PATCH, str(n), (Change(PATH, wraps=(Wrap(span.start, span.end, header),)),))
        for n, span in enumerate(spans)
    ]
    attempt = compose({PATH: program}, found)
    new = attempt.rewritten[0].text
    for mark, span in zip(attempt.marks, spans, strict=True):
        begun = [new[region.start :] for region in mark.rewritten]
        assert any(each.startswith(text[span.start : span.start + 2]) for each in begun)  # what a run has to come by
    return new.replace("  #!", "")


CASES = {
    "a block before takes it in": (
        """
        with torch.no_grad():
            b += 1
        w -= g  #!
        f(w)
        """,
        """
        with torch.no_grad():
            b += 1
            w -= g
        f(w)
        """,
    ),
    "the header of a block behind goes up, with its comment": (
        """
        w -= g  #!
        with torch.no_grad():  # by hand
          b += 1
        f(w)
        """,
        """
        with torch.no_grad():  # by hand
          w -= g
          b += 1
        f(w)
        """,
    ),
    "both, where only one of two blocks is adjacent to each": (
        """
        w -= g  #!
        with torch.no_grad():
            b += 1
        v -= g  #!
        """,
        """
        with torch.no_grad():
            w -= g
            b += 1
            v -= g
        """,
    ),
    "between two blocks it joins one": (
        """
        with torch.no_grad():
            b += 1
        w -= g  #!
        with torch.no_grad():
            v += 1
        """,
        """
        with torch.no_grad():
            b += 1
            w -= g
        with torch.no_grad():
            v += 1
        """,
    ),
    "the nearer of two, a comment apart": (
        """
        with torch.no_grad():
            b += 1
        # slowly
        w -= g  #!
        with torch.no_grad():
            v += 1
        """,
        """
        with torch.no_grad():
            b += 1
        # slowly
        with torch.no_grad():
            w -= g
            v += 1
        """,
    ),
    "one comment goes along": (
        """
        with torch.no_grad():
            b += 1

        # slowly
        w -= g  #!
        """,
        """
        with torch.no_grad():
            b += 1

            # slowly
            w -= g
        """,
    ),
    "two comments would cost more than a block": (
        """
        with torch.no_grad():
            b += 1
        # slowly,
        # surely
        w -= g  #!
        """,
        """
        with torch.no_grad():
            b += 1
        # slowly,
        # surely
        with torch.no_grad():
            w -= g
        """,
    ),
    "neighbours share one, a dropped gradient apart": (
        """
        w -= g  #!
        w.grad.zero_()
        b -= f(
            g,
        )  #!
        b.grad.zero_()
        """,
        """
        with torch.no_grad():
            w -= g
            w.grad.zero_()
            b -= f(
                g,
            )
        b.grad.zero_()
        """,
    ),
    "what computes stays outside": (
        """
        w -= g  #!
        loss = w.sum()
        b -= g  #!
        """,
        """
        with torch.no_grad():
            w -= g
        loss = w.sum()
        with torch.no_grad():
            b -= g
        """,
    ),
    "two lines between are no shorter": (
        """
        w -= g  #!
        w.grad = None
        b.grad = None
        b -= g  #!
        """,
        """
        with torch.no_grad():
            w -= g
        w.grad = None
        b.grad = None
        with torch.no_grad():
            b -= g
        """,
    ),
    "other blocks are others": (
        """
        with torch.enable_grad():
            b += 1
        w -= g  #!
        with torch.no_grad(), lock:
            v += 1
        """,
        """
        with torch.enable_grad():
            b += 1
        with torch.no_grad():
            w -= g
        with torch.no_grad(), lock:
            v += 1
        """,
    ),
    "a block on one line takes nothing in": (
        """
        with torch.no_grad(): b += 1
        w -= g  #!
        """,
        """
        with torch.no_grad(): b += 1
        with torch.no_grad():
            w -= g
        """,
    ),
    "not past a statement": (
        """
        with torch.no_grad():
            b += 1
        f(b)
        w -= g  #!
        f(w)
        with torch.no_grad():
            b += 1
        """,
        """
        with torch.no_grad():
            b += 1
        f(b)
        with torch.no_grad():
            w -= g
        f(w)
        with torch.no_grad():
            b += 1
        """,
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_statements_go_into_blocks(name: str, newline: str):
    old, new = (
        f"import torch\n\n\ndef f(w, b, v, g, lock):{textwrap.indent(textwrap.dedent(each), INDENT)}    return f"
        for each in CASES[name]
    )

    assert put(old.replace("\n", newline)) == new.replace("\n", newline)


def test_a_block_that_is_named_otherwise_is_the_same():
    old = "from torch import no_grad\nimport torch\nwith {}():\n    b += 1\nw -= g  #!\n"

    for name in ("no_grad", "torch.no_grad"):
        text = old.format(name)
        assert put(text, "with no_grad():") == text.replace("w -= g  #!", "    w -= g")


def test_tabs_are_indented_with_tabs():
    assert put("if g:\n\tw -= g  #!\n") == f"if g:\n\t{HEADER}\n\t\tw -= g\n"


DECORATED = {
    "one write": "w -= 1  #!",
    "two writes": "w -= 1  #!\nb -= 1  #!",
    "in a loop, beside a norm": (
        "total = torch.zeros(())\nfor p in w:\n    total += p.grad.pow(2).sum()\n    p -= b * p.grad  #!\n"
        "return total.sqrt()"
    ),
    "a local value": "step = w.grad + b * w\nw -= step  #!",
    "a gradient dropped": "w -= 1  #!\nw.grad.zero_()",
}
IN_A_BLOCK = {
    "a norm of weights": "total = w.sum()\nw -= 1  #!\nreturn total",
    "a sum that grows with weights": (
        "total = torch.zeros(())\nfor p in w:\n    total += p.sum()\n    p -= 1  #!\nreturn total"
    ),
    "an unknown factor": "w -= 1  #!\nreturn b * w.grad",
    "a call": "x = f(w)\nw -= 1  #!",
    "a backward": "w.sum().backward()\nw -= 1  #!",
    "a new leaf": "x = torch.zeros(3, requires_grad=True)\nw -= 1  #!\nreturn x",
    "an attribute": "b.last = w * 2\nw -= 1  #!",
    "a result of an argument that was flat before": "b = w.grad\nb = b * w\nw -= 1  #!\nreturn b",
}


def function(body: str) -> str:
    return f"import torch\n\n\ndef f(w, b):\n{textwrap.indent(body, INDENT)}\n"


@pytest.mark.parametrize("name", DECORATED)
def test_a_function_in_which_nothing_needs_gradients_is_decorated(name: str):
    text = function(DECORATED[name])

    assert put(text) == text.replace("  #!", "").replace("def f", "@torch.no_grad()\ndef f")


@pytest.mark.parametrize("name", IN_A_BLOCK)
def test_a_write_beside_what_may_need_gradients_gets_a_block(name: str):
    new = put(function(IN_A_BLOCK[name]))

    assert new.count("no_grad") == 1 and f"{HEADER}\n" in new


UPDATES = "for mean in self.parameters():\n    mean.mul_(lr)\nfor p in self.parameters():\n    p.add_(1)\nreturn x * lr"


@pytest.mark.parametrize(
    ("head", "wanted"),
    [
        ("import copy\n\nimport torch.nn as nn\n", "import copy\n\nimport torch\nimport torch.nn as nn\n"),
        ("from torch import nn\nimport numpy\n", "import torch\nfrom torch import nn\nimport numpy\n"),
        ("from __future__ import annotations\n\nimport copy\n", "annotations\n\nimport torch\nimport copy\n"),
        ("import torch.nn\n", "import torch.nn\n"),
        ("import torch as th\n", "import torch as th\n"),
    ],
)
def test_a_file_without_torch_imports_it_once(head: str, wanted: str):
    text = method(UPDATES).replace(HEAD, head)
    some = [offence(text, write, None, "FIP202") for write in ("mean.mul_(lr)", "p.add_(1)")]
    first = [next(p for p in proposed(text, each) if p.repair == "without-grad") for each in some]
    new = compose({PATH: code(text)}, first).rewritten[0].text
    name = "th" if "th" in head.split() else "torch"

    assert wanted in new and new.count("import torch\n") == wanted.count("import torch\n")
    assert new.count(f"with {name}.no_grad():\n") == 2


@pytest.mark.parametrize(
    "head", ["import nn as torch\n", "from backends import torch\n", "import nn\ntorch = nn\n", ""]
)
def test_a_name_that_means_something_else_is_not_taken(head: str):
    text = method(UPDATES).replace(HEAD, head)
    found = proposed(text, offence(text, "mean.mul_(lr)", None, "FIP202"))

    assert [each.repair for each in found if each.repair == "without-grad"] == []
