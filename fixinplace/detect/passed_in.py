"""Modules of which only whoever passes them in knows more."""

from __future__ import annotations

from fixinplace.detect.values import Value, is_opaque


def is_passed_in(part: Value) -> bool:
    """True for what may be any module, or one of a class that is passed in; see Note [Given modules]."""
    return is_opaque(part) or part.name.startswith("!")
