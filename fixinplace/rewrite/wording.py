"""The sentences of a finding."""

from __future__ import annotations

from collections.abc import Sequence

from fixinplace.model import Facts, Place, Site, Span
from fixinplace.rewrite.base import Rewrite
from fixinplace.source import Text

_LONGEST = 60


def code(text: str) -> str:
    """Code inside a sentence: the first line, shortened, in backticks."""
    first, *rest = text.strip().splitlines() or [""]
    short = first.rstrip(" \\")
    if rest or len(short) > _LONGEST:
        short = short[: _LONGEST - 3].rstrip() + "..."
    return f"`{short}`"


def message(part: Text, site: Site, facts: Facts) -> str:
    """What is written where."""
    unless = ", unless it is told otherwise" if facts.perhaps else ""
    return _said(part, site, facts.place) + unless


def _said(part: Text, site: Site, place: Place) -> str:
    stores = site.op == "Tensor.__setitem__" or site.rule in ("FIP108", "FIP111")
    shown = code(part.slice(site.statement if stores else site.span))
    match site.rule:
        case "FIP107":
            what = "function" if "functional" in site.op else "module"
            return f"{shown} makes a {what} that overwrites what it is called with"
        case "FIP108":
            return f"{shown} makes the module overwrite what it is called with"
        case "FIP111":
            return f"{shown} writes behind autograd's back"
        case "FIP112":
            return f"{shown} changes {_whose(site, place)} itself, for all who hold it"
        case "FIP115":
            return f"{shown} overwrites a list of tensors"
    part_of = "part of " if place in (Place.SUBSCRIPT, Place.SLOT) else ""
    return f"{shown} overwrites {part_of}{_whose(site, place)}"


def title(lines: Sequence[str]) -> str:
    """What a fix does, in the imperative."""
    return f"rewrite as {code('; '.join(line for line in lines))}"


def cost(rewrite: Rewrite, target: str | None) -> str:
    """What the rewrite costs at run time."""
    return rewrite.cost.format(target="the result" if target is None else code(target))


def neighbour(part: Text, span: Span, sentence: str) -> str:
    """Why a site is refused for the sake of another one that must change together with it."""
    line, _ = part.position(span.start)
    return f"it must change together with {code(part.slice(span))} (line {line}): {sentence}"


def _whose(site: Site, place: Place) -> str:
    return "a tensor without a name" if place is Place.TEMPORARY else code(site.target)
