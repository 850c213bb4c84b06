"""`fixinplace lsp`: starts the server on standard input and output, and sees to it that nothing outlives it."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

from fixinplace.lsp.surroundings import own_folder

_DEEPEST = 10_000
_MISSING = "fixinplace: the language server needs pygls: pip install 'fixinplace[lsp]'"


def main() -> int:
    """Serve until the client says `exit` or goes away; 2 without the packages that the server needs."""
    from fixinplace.lsp.analysts import Analysts

    analysts = Analysts(own_folder())
    analysts.start()  # it loads its modules while we load ours
    try:
        from fixinplace.lsp.server import Service
    except ModuleNotFoundError as error:
        analysts.close()
        if error.name is None or error.name.partition(".")[0] not in ("pygls", "lsprotocol", "cattrs", "attrs", "attr"):
            raise
        print(_MISSING, file=sys.stderr)
        return 2
    sys.setrecursionlimit(max(_DEEPEST, sys.getrecursionlimit()))
    logging.getLogger("pygls").setLevel(logging.CRITICAL)  # what a client does wrong is answered, not logged
    reads, writes = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints by mistake must not reach the client
    service = Service(analysts)
    _end_on_signals(service.end)
    try:
        service.server.start_io(reads, writes)
    finally:
        service.end()
    sys.stderr.flush()
    os._exit(0 if service.was_shut_down else 1)  # a thread may still read what nobody will look at


def _end_on_signals(end: Callable[[], None]) -> None:
    """Clean up, then die of the signal, as whoever sent it expects; children see that we are gone."""

    def ended(number: int, _: FrameType | None) -> None:
        end()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, ended)
