"""An exception as data, with the innermost line of code that is not the interpreter's, torch's or ours."""

from __future__ import annotations

import traceback

from fixinplace.verify.jobs import Failure
from fixinplace.verify.observe import UserCode, neutral


def failure_of(error: BaseException, user: UserCode | None = None) -> Failure:
    """Type, message and place of an exception; `user` decides which lines count, without it no place is given."""
    file, line = "", 0
    if user is not None:
        for frame in traceback.extract_tb(error.__traceback__):
            if user.owns(frame.filename):
                file, line = frame.filename, frame.lineno or 0
    if isinstance(error, SyntaxError) and error.filename is not None:
        file, line = error.filename, error.lineno or 0
    missing = error.name or "" if isinstance(error, ModuleNotFoundError) else ""
    return Failure(type(error).__name__, neutral(str(error)), file, line, missing)


def exit_of(error: BaseException | None) -> str:
    """The exit code of `sys.exit` other than 0, with the error that was being handled; else empty."""
    if not isinstance(error, SystemExit):
        return ""
    code, handled = error.code, error.__context__
    if code is None or (isinstance(code, int) and code == 0):
        return ""
    words = str(int(code)) if isinstance(code, int) else f"1 ({neutral(str(code))})"
    return words if handled is None else f"{words}, while handling {failure_of(handled).sentence}"
