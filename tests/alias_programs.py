"""Random programs whose names share memory: views, aliases, containers, branches, loops, helpers and closures.

Note [Programs that run]
    A program is written statement by statement, and each statement is run at once, on both sides of the program's
    flag: one that raises is left out.  So every program runs to its end, whatever the shapes and names are by then.
"""

from __future__ import annotations

import contextlib
import random
import re
import textwrap

import torch
from alias_oracle import leaves, separate_pieces
from alias_templates import BLOCKS, HEAD, HELPERS, HOLES, KIN, NAMES, START, STATEMENTS
from hypothesis import strategies as st

_ERRORS = (RuntimeError, TypeError, ValueError, IndexError, KeyError, AttributeError, NameError, AssertionError)
_FLAGS = (0, 1)


class _NoSuchName(Exception):
    """A template asks for a name that the program does not have yet."""


class Writer:
    """Writes one program; `chance` makes all choices."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.lines: list[str] = []
        self.certain = chance.random() < 0.5
        self.holes = {**HOLES, **KIN} if self.certain else HOLES
        self.worlds = [self._world(flag) for flag in _FLAGS]

    def _world(self, flag: int) -> dict[str, object]:
        world: dict[str, object] = {}
        exec(HEAD + "".join(HELPERS.values()), world)
        a, b = (leaf * 1 for leaf in leaves())
        return world | {"a": a, "b": b, "flag": flag}

    def having(self, kind: type) -> list[str]:
        """Names of the function that are of this kind on both sides of the flag."""
        return [n for n in (*NAMES, "a", "b") if all(isinstance(world.get(n), kind) for world in self.worlds)]

    def fill(self, template: str, depth: int = 0) -> str:
        """The template with its holes filled; a hole in capitals has one text throughout."""
        fixed: dict[str, str] = {}

        def text(hole: re.Match[str]) -> str:
            kind = hole[1]
            if kind.isupper() and kind not in fixed:
                fixed[kind] = self.hole(kind.lower(), depth)
            return fixed[kind] if kind.isupper() else self.hole(kind, depth)

        return re.sub(r"\{(\w+)\}", text, template)

    def hole(self, kind: str, depth: int) -> str:
        """Text for one hole."""
        match kind:
            case "x" | "y":
                tensors = self.having(torch.Tensor)
                own = [name for name in tensors if name in NAMES]
                return self.chance.choice(own if own and self.chance.random() < 0.95 else tensors)
            case "l":
                if not self.having(list):
                    raise _NoSuchName
                return self.chance.choice(self.having(list))
            case "n":
                return self.chance.choice(NAMES)
            case "f":
                return self.chance.choice(sorted(HELPERS))
            case "s":
                return self.statement(depth + 1)
        options = self.holes[kind]
        return self.fill(self.chance.choice(options if depth < 3 else options[:3]), depth + 1)

    def statement(self, depth: int) -> str:
        """The text of one statement, a compound one now and then."""
        compound = depth < 2 and self.chance.random() < (0.1 if self.certain else 0.2)
        plain = KIN["b" if self.chance.random() < 0.5 else "s"] if self.certain else STATEMENTS
        text = self.fill(self.chance.choice(BLOCKS if compound else plain), depth)
        if compound:  # the lines of a statement inside a block stand deeper than its first one
            return text
        return text + self.chance.choice(("", "", "", "  # kept"))

    def add(self, template: str = "") -> None:
        """One more statement that runs, or none if none of a few does."""
        for _ in range(4):
            try:
                lines = _laid_out(self.fill(template) if template else self.statement(0))
            except _NoSuchName:
                continue
            if self._runs("\n".join(lines)):
                self.lines += lines
                return

    def _runs(self, text: str) -> bool:
        try:
            code = compile(text, "statement", "exec")
        except SyntaxError:
            return False
        for world in self.worlds:
            try:
                with separate_pieces(), _saved_as_they_were():
                    exec(code, world)
            except _ERRORS:
                return False
        return True

    def result(self) -> str:
        """What is returned: some of the tensors, by name, and the containers."""
        names = [name for name in NAMES if all(name in world for world in self.worlds)]
        kept = [name for name in names if self.chance.random() < (0.7 if self.certain else 0.6)] or names[:1]
        return "{" + ", ".join(f'"{name}": {name}' for name in kept) + "}"


def _laid_out(text: str) -> list[str]:
    """The lines of a template's text; `;;` ends a line, `>>` and `<<` go deeper and back."""
    lines: list[str] = []
    depth = 0
    for part in re.split(r"(;;|>>|<<)", text):
        if part in (">>", "<<"):
            depth += 1 if part == ">>" else -1
        elif part.strip() and part != ";;":
            lines.append("    " * depth + part.strip())
    return lines


@contextlib.contextmanager
def _saved_as_they_were():
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t.detach().clone(), lambda t: t):
        yield


def program(chance: random.Random) -> str:
    """A module with `f(a, b, flag)`: two float64 tensors of shape (3, 4), and 0 or 1."""
    writer = Writer(chance)
    for line in START:
        writer.lines.append(line)
        assert writer._runs(line)
    for name in ("u", "v", "w")[: chance.randint(1, 3) if writer.certain else 0]:
        writer.add(f"{name} = {{v}}")
    for _ in range(chance.randint(2, 6)):
        writer.add()
        if chance.random() < 0.04:
            writer.lines += ["if flag:", f"    return {writer.result()}"]
    body = textwrap.indent("\n".join([*writer.lines, f"return {writer.result()}"]), "    ")
    helpers = "\n\n".join(HELPERS[name] for name in sorted(HELPERS) if f"{name}(" in body)
    return f"{HEAD}\n\n{helpers}\n\ndef f(a: torch.Tensor, b: torch.Tensor, flag: int):\n{body}\n"


programs = st.randoms(use_true_random=False).map(program)
"""Programs for `hypothesis`, which shrinks the choices that were made."""
