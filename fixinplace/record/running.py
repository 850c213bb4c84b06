"""Starting the user's command with the recorder in every Python of it, and waiting for its end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from fixinplace.record.plan import Plan

_SITE = Path(__file__).parent / "site"


class NoCommand(ValueError):
    """There is nothing to run; the message is one line."""


def words_of(words: Sequence[str]) -> list[str]:
    """The command as the system takes it.  Raises NoCommand.

    `-m MODULE` and a file of Python are run by the Python that runs us.  A program is looked for on the search path,
    and then beside that Python, where `pytest` lies in an environment that was not activated.
    """
    if not words:
        raise NoCommand("nothing to record: name a command behind --, such as `fixinplace record -- pytest -k smoke`")
    first = words[0]
    if first == "-m" or (first.endswith(".py") and Path(first).is_file()):
        return [sys.executable, *words]
    found = shutil.which(first) or shutil.which(first, path=str(Path(sys.executable).parent))
    if found is None:
        raise NoCommand(f"there is no command {first}")
    return [found, *words[1:]]


def run(words: Sequence[str], plan: Plan, folder: Path) -> int:
    """Run a command, whose calls are left in `folder`; its exit code, 128 and more for a signal.  Raises NoCommand.

    It has our own streams, folder and variables, and gets an interrupt of the terminal itself.
    """
    (folder / "plan.json").write_text(json.dumps(plan.data()), encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    before = signal.getsignal(signal.SIGINT)
    try:
        process = subprocess.Popen(list(words), env=_environment(folder))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        code = process.wait()
    except OSError as error:
        raise NoCommand(f"{words[0]} cannot be run: {(error.strerror or str(error)).lower()}") from error
    finally:
        signal.signal(signal.SIGINT, before)
    return 128 - code if code < 0 else code


def _environment(folder: Path) -> dict[str, str]:
    """The user's own; the recorder is found first on the path of imports."""
    paths = [str(_SITE), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "FIXINPLACE_RECORDING": str(folder)}
