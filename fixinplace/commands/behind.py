"""A command whose own options stand before the user's script or `-m MODULE`; all behind that is the user's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from typer.core import TyperCommand


class OwnOptionsFirst(TyperCommand):
    """Ends option parsing behind `-m MODULE`, as `python` does; behind a script click ends it itself."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - click's own, vendored by typer
        """Click's own parsing, with `--` where the user's words begin."""
        flags = {name for param in self.params if getattr(param, "is_flag", False) for name in param.opts}
        return super().parse_args(ctx, divided(args, flags))


def divided(args: Sequence[str], flags: set[str]) -> list[str]:
    """The words with `--` behind `-m MODULE`; `flags` are the options that take no value."""
    words = list(args)
    place = 0
    while place < len(words) and words[place].startswith("-") and words[place] != "--":
        word = words[place]
        if word == "-m" or (word.startswith("-m") and not word.startswith("--")):
            end = place + (2 if word == "-m" else 1)
            return [*words[:end], "--", *words[end:]]
        place += 1 if word in flags or word == "--help" or "=" in word else 2
    return words
