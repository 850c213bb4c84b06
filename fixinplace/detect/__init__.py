"""Where tensors are written in place: a pure function from text to sites, on `ast` alone, without torch."""

from __future__ import annotations

import ast

from fixinplace.detect.candidates import may_hold_sites
from fixinplace.detect.itself import read_plainly
from fixinplace.detect.reader import read
from fixinplace.detect.sites import build
from fixinplace.model import Found
from fixinplace.source import Text

__all__ = ["scan"]


def scan(part: Text, tree: ast.Module, imported: bool = False) -> tuple[Found, ...]:
    """All sites of a module with their facts, by position; `tree` is the parsed `part`.

    A file that never mentions torch has none, nor has one that Note [Candidates] tells of.
    imported: other files may call what it defines.
    """
    if "torch" not in part.text or not may_hold_sites(tree):
        return ()
    return build(read(part, read_plainly(tree, part.text), imported))
