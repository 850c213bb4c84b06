"""What a rewrite is: one file under `forms/` says when it applies, what it writes, why that is exact, and shows it.

Adding a rewrite adds a file there and touches nothing else; `rewrites()` finds it.
"""

from __future__ import annotations

import difflib
import enum
import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

import libcst as cst

from fixinplace.catalogue import Writer
from fixinplace.model import Facts, Found, Refused, Site


class Effect(enum.Enum):
    """What an edit leaves to be done around it."""

    REBIND = "rebind"  # the edit gives an expression, the new value of the target, which must be bound to it
    COPY = "copy"  # the site stays as it is; its target is cloned before the statement
    REPLACE = "replace"  # the edit gives the node's replacement; nothing is bound


@dataclass(frozen=True, slots=True)
class Case:
    """A site with its row of the catalogue.

    target: dotted name that is bound to the new value (`h`, `self.h`), None for a temporary.
    linked: the call is one of a chain on a view without a name, and the next one puts the new value back.
    """

    found: Found
    writer: Writer
    target: str | None
    linked: bool = False

    @property
    def site(self) -> Site:
        """The site."""
        return self.found.site

    @property
    def facts(self) -> Facts:
        """What detection knows about the site."""
        return self.found.facts


@dataclass(frozen=True, slots=True)
class Example:
    """A program before and after the rewrite; both define `f`, which takes one float tensor of shape (3, 3).

    run: what is written may be proved by a run; False for what is written with `--verify off`.
    """

    before: str
    after: str
    run: bool = True


def example(before: str, after: str, run: bool = True) -> Example:
    """An example from indented text."""
    return Example(inspect.cleandoc(before) + "\n", inspect.cleandoc(after) + "\n", run)


Node = cst.Call | cst.AugAssign | cst.Assign
"""What a site is for a rewrite: a call, or else the small statement that writes."""


def never(case: Case, node: Node) -> Refused | None:
    """The condition of a rewrite that refuses nothing of its own."""
    return None


def always(case: Case, node: Node) -> bool:
    """The exactness of a rewrite that computes the very same values, dtypes and gradients."""
    return True


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One way to make a site out-of-place.

    takes: whether this is the rewrite for the site; decided on the original node.
    edit: gets the node with everything inside it already rewritten; see Effect for what it returns.
    refusal: conditions of its own, besides those of `conditions.py`; decided on the original node.
    exact: False forbids the verdict `safe`; `safety` says why; decided on the original node.
    cost: a sentence with {target} in it.
    overrides: it is asked before the others.
    """

    name: str
    rules: tuple[str, ...]
    what: str
    why: str
    safety: str
    examples: tuple[Example, ...]
    effect: Effect
    takes: Callable[[Case, Node], bool]
    edit: Callable[[Case, Node], cst.CSTNode]
    refusal: Callable[[Case, Node], Refused | None] = never
    exact: Callable[[Case, Node], bool] = always
    cost: str = "one more tensor of {target}'s size is alive"
    overrides: bool = False

    @property
    def documentation(self) -> str:
        """Markdown for `fixinplace rule`: what it writes, why, when that is safe, and the examples."""
        shown = (f"```diff\n{_difference(example)}\n```" for example in self.examples)
        parts = (f"### {self.name}", self.what, self.why, f"**Fix safety.** {self.safety}", *shown)
        return "\n\n".join(parts)


@functools.cache
def rewrites() -> tuple[Rewrite, ...]:
    """Every rewrite in the order they are asked; found by scanning `forms/`, where each module has a `REWRITE`."""
    from fixinplace.rewrite import forms

    modules = (importlib.import_module(f"{forms.__name__}.{m.name}") for m in pkgutil.iter_modules(forms.__path__))
    found: list[Rewrite] = [module.REWRITE for module in modules]
    return tuple(sorted(found, key=lambda rewrite: (not rewrite.overrides, rewrite.name)))


def _difference(example: Example) -> str:
    before, after = example.before.strip().splitlines(), example.after.strip().splitlines()
    lines = difflib.ndiff(before, after)
    return "\n".join(line[0] + line[2:] for line in lines if not line.startswith("?"))
