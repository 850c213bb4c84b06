"""`fixinplace lsp`: starts the server on standard input and output, and sees to it that nothing outlives it."""

from __future__ import annotations

import logging
import os
import sys

_DEEPEST = 10_000
_MISSING = "fixinplace: the language server needs pygls: pip install 'fixinplace[lsp]'"


def main() -> int:
    """Serve until the client says `exit` or goes away; 2 without the packages that the server needs."""
    try:
        from fixinplace.lsp.server import Service
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("pygls", "lsprotocol", "cattrs", "attrs", "attr"):
            raise
        print(_MISSING, file=sys.stderr)
        return 2
    sys.setrecursionlimit(max(_DEEPEST, sys.getrecursionlimit()))
    logging.getLogger("pygls").setLevel(logging.CRITICAL)  # what a client does wrong is answered, not logged
    reads, writes = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints by mistake must not reach the client
    service = Service()
    try:
        service.server.start_io(reads, writes)
    finally:
        service.end()
    sys.stderr.flush()
    os._exit(0 if service.was_shut_down else 1)  # a thread may still analyse what nobody will look at
