"""Several statements on one line: the choices are those of the program with a line for each."""

from __future__ import annotations

import ast
import textwrap
from itertools import pairwise

import pytest
from choice_programs import PROGRAMS
from choosing import Program, code, of

from fixinplace import source
from fixinplace.model import Edit, Span
from fixinplace.repair.base import Proposal, Tier
from fixinplace.repair.steps.splitting import split


def joined(text: str) -> str:
    """The text with neighbouring calls of one block on one line."""
    tree, lines = ast.parse(text), text.splitlines()
    blocks = [getattr(node, name, None) for node in ast.walk(tree) for name in ("body", "orelse")]
    for block in (each for each in blocks if isinstance(each, list)):
        for one, other in pairwise(block):
            calls = isinstance(one, ast.Expr) and isinstance(other, ast.Expr)
            if (
                calls
                and "#" not in lines[one.lineno - 1]
                and one.lineno == one.end_lineno == other.lineno - 1 == other.end_lineno - 1
            ):
                lines[other.lineno - 1] = f"{lines[one.lineno - 1]}; {lines[other.lineno - 1].strip()}"
                lines[one.lineno - 1] = ""
    return "\n".join(line for line in lines if line) + "\n"


def choices(one: Program) -> dict[str, Proposal]:
    """The choices by their kind and rank: titles and meanings tell lines, of which there are fewer now."""
    return {
        f"{each.repair} {each.kind} {each.rank} {n}": each for n, each in enumerate(of(Tier.CHOOSE, one.proposals()))
    }


def on_one_line(one: Program) -> Program:
    return Program(joined(one.text), one.save, one.step, one.needed, one.rule, one.note, one.node, one.by)


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_the_choices_are_those_of_single_lines(name: str):
    one, short = PROGRAMS[name], on_one_line(PROGRAMS[name])
    plain, found = choices(one), choices(short)

    assert plain.keys() == found.keys()
    for key, proposal in found.items():
        assert ast.unparse(ast.parse(short.patched(proposal))) == ast.unparse(ast.parse(one.patched(plain[key])))


def test_what_is_told_names_the_lines_as_they_are_written():
    plain = PROGRAMS["carried_list"]
    text = plain.text.replace("import torch\n", "import torch; import math\n", 1)
    short = Program(text, plain.save, plain.step, plain.needed, plain.rule)
    wanted = [(each.title, each.meaning) for each in plain.proposals()]

    assert any("line 14" in title for title, _ in wanted)
    assert [(each.title, each.meaning) for each in short.proposals()] == wanted


SHAPES = """
import os; import sys
class A: x = 1; y = 2
def f(a):
    if a: b = 1; c = 2;  # both
    else: b = 3
    try: d = "é"; e = 4
    finally: g = 5
    for i in a: print(i); print(b);
    with a: h = [
        1, 2]; k = 3
    while a:
        b = 1;
        a = 2; c = "; "
    return a; pass
"""


def test_every_statement_gets_a_line_and_means_the_same():
    whole = split(code(SHAPES))
    assert whole is not None
    text = whole.apart.text.text

    assert ast.dump(ast.parse(text)) == ast.dump(ast.parse(SHAPES))
    rows = [node.lineno for node in ast.walk(ast.parse(text)) if isinstance(node, ast.stmt)]
    assert len(rows) == len(set(rows))
    assert ";" not in text.replace('"; "', "") and "# both" in text
    assert split(whole.apart) is None


def test_every_place_is_found_again():
    whole = split(code(SHAPES))
    assert whole is not None
    for node, other in zip(ast.walk(whole.code.tree), ast.walk(whole.apart.tree), strict=True):
        if isinstance(node, (ast.expr, ast.stmt)) and isinstance(other, (ast.expr, ast.stmt)):
            span, there = whole.code.text.span(node), whole.apart.text.span(other)
            assert (whole.there(span.start), whole.back(there.start)) == (there.start, span.start)
            assert whole.line(other.lineno) == node.lineno


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("comment", ["", "  # why"])
def test_an_edit_elsewhere_leaves_such_a_line_alone(newline: str, comment: str):
    text = textwrap.dedent(f"""\
        a = 1; b = 2{comment}
        c = 3
        d = 4; e = 5;{comment}
    """).replace("\n", newline)
    whole = split(code(text))
    assert whole is not None
    apart = whole.apart.text
    at = apart.text.index("c = 3")
    end = apart.text.index("d = 4")
    edits = [
        Edit(Span(0, 0), f"z = 0{newline}"),
        Edit(Span(at, end), ""),
        Edit(Span(len(apart.text), len(apart.text)), f"y = 9{newline}"),
    ]

    assert (
        source.apply(text, whole.edits(edits))
        == f"z = 0{newline}" + text.replace(f"c = 3{newline}", "") + f"y = 9{newline}"
    )
