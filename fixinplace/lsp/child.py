"""`python -m fixinplace.lsp.child`: the process that runs the user's code for the editor, as `fix` and `repair` do.

Note [The end of the child]
    The request is the first line of standard input. Its end means that nobody waits any more: the editor is gone, or
    the user has cancelled. Then the work is interrupted as Ctrl-C would; what does not end within some seconds is
    killed, with all that it has started. Every folder is made below one, which goes last, however the child ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from typing import IO, Any

Json = dict[str, Any]
Tell = Callable[[str], None]

_PATIENCE = 3.0


def main() -> int:
    """Answer one request on standard output, one line of JSON; lines of progress come before."""
    from fixinplace.verify.processes import adopt_orphans, end_all

    requests, replies = _private()
    adopt_orphans()
    line = requests.readline()
    if not line:
        return 0
    holder = tempfile.TemporaryDirectory(prefix="fixinplace-", ignore_cleanup_errors=True)
    tempfile.tempdir = holder.name
    threading.Thread(target=_watch, args=(requests, holder), daemon=True).start()
    try:
        answer = _answered(json.loads(line), lambda text: _write(replies, {"progress": text}))
    except KeyboardInterrupt:
        answer = {"failed": "it was cancelled"}
    _write(replies, answer)
    end_all(os.getpid())
    holder.cleanup()
    os._exit(0)


def _private() -> tuple[IO[bytes], IO[bytes]]:
    """The two pipes, out of the reach of whatever runs here: it reads nothing and prints to standard error."""
    requests, replies = os.fdopen(os.dup(0), "rb", buffering=0), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return requests, replies


def _write(replies: IO[bytes], answer: Json) -> None:
    with contextlib.suppress(BrokenPipeError):  # nobody waits any more; the watcher ends this process
        replies.write(json.dumps(answer).encode() + b"\n")
        replies.flush()


def _watch(requests: IO[bytes], holder: tempfile.TemporaryDirectory[str]) -> None:
    """See Note [The end of the child]."""
    while requests.read(4096):
        pass
    from fixinplace.verify.processes import descendants, end_all

    for pid in descendants(os.getpid()):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getpgid(pid) == os.getpgrp():  # a terminal interrupts these too; fork servers have their own session
                os.kill(pid, signal.SIGINT)
    main_thread = threading.main_thread().ident
    assert main_thread is not None
    signal.pthread_kill(main_thread, signal.SIGINT)
    time.sleep(_PATIENCE)
    end_all(os.getpid())
    holder.cleanup()
    os._exit(1)


def _answered(request: Json, tell: Tell) -> Json:
    from fixinplace.config import BadConfig

    try:
        if request["do"] == "prove":
            from fixinplace.lsp import proving

            return proving.prove(request, tell)
        from fixinplace.lsp import repairing

        return repairing.explain(request, tell)
    except BadConfig as error:
        return {"failed": str(error)}
    except Exception as error:  # a bug of ours, told where the user sees it
        return {"failed": " ".join(f"{type(error).__name__}: {error}".split())}


if __name__ == "__main__":
    sys.exit(main())
