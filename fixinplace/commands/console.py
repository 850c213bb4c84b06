"""Standard output and error as the commands use them."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from typing import TextIO

EVERY = 10.0
"""Seconds between two lines of progress where they stay on the screen or in a file."""


class Console:
    """Writes bytes to standard output and lines to either stream; a reader that went away is no failure of ours.

    Note [A closed pipe]
        After `fixinplace check | head` nobody reads on.  The work that is left may still change files, so it
        goes on, silently, and the exit code is the one that the findings earn.
    """

    def __init__(self) -> None:
        self._told = time.monotonic()
        self.recorded: list[tuple[bool, str]] | None = None
        """What `lines` has written, bytes as Latin-1, and whether to standard error; None if nobody wants to know."""

    def data(self, data: bytes) -> None:
        """Bytes to standard output, as they are."""
        sys.stdout.flush()
        self._write(sys.stdout, data)

    def lines(self, lines: Iterable[str], *, to_error: bool = False) -> None:
        """Lines of text to standard output or error; what its encoding lacks is written as an escape."""
        stream = sys.stderr if to_error else sys.stdout
        text = "".join(f"{line}\n" for line in lines)
        data = text.encode(stream.encoding or "utf-8", "backslashreplace")
        if self.recorded is not None:
            self.recorded.append((to_error, data.decode("latin-1")))
        self._write(stream, data)

    def status(self, line: str) -> None:
        """What is going on, on a terminal only: the next line replaces it, an empty one wipes it."""
        if sys.stderr.isatty():
            width = os.get_terminal_size(sys.stderr.fileno()).columns
            print(f"\r\x1b[K{line[: width - 1]}", end="", file=sys.stderr, flush=True)

    def progress(self, line: str) -> None:
        """What is going on: on a terminal as `status`, elsewhere a line of its own, if the last is some time ago."""
        now = time.monotonic()
        if sys.stderr.isatty():
            self.status(line)
        elif now >= self._told + EVERY:
            self._told = now
            self.lines([f"fixinplace: {line}"], to_error=True)

    @staticmethod
    def _write(stream: TextIO, data: bytes) -> None:
        try:
            stream.buffer.write(data)
            stream.buffer.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
