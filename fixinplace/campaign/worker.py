"""A worker process: `python -m fixinplace.campaign.worker`, requests on standard input, answers on standard output.

It ends when its parent does, however that happens, and everything that it has started with it.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import sys
import traceback
from typing import IO

from fixinplace.campaign.unit import Json, Judge, Judging
from fixinplace.verify.processes import die_with_parent

DEEPEST = 10_000
"""Levels of calls, as many as the command line allows itself."""


def main() -> None:
    """Serve until standard input ends."""
    die_with_parent(signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):  # it has ended before the kernel knew whose end to watch
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the parent decides what it means
    sys.setrecursionlimit(DEEPEST)
    replies = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # whatever prints, prints no answer
    gc.freeze()
    with contextlib.closing(Judge(Judging(**json.loads(sys.stdin.readline())))) as judge:
        _tell(replies, {"ready": True})
        for line in sys.stdin:
            _tell(replies, _answer(judge, json.loads(line)))


def _answer(judge: Judge, request: Json) -> Json:
    try:
        return judge.answer(request)
    except Exception as error:  # a bug of ours costs its unit: the parent reports it, and the others go on
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{frame.filename.rpartition('fixinplace/')[2]}:{frame.lineno}"
        return {"failed": " ".join(f"{type(error).__name__}: {error} (in {where})".split())}


def _tell(replies: IO[str], answer: Json) -> None:
    replies.write(json.dumps(answer) + "\n")
    replies.flush()


if __name__ == "__main__":
    main()
