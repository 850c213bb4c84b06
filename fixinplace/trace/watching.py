"""`with fixinplace.watch():` around a training step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fixinplace.trace import refused
from fixinplace.trace.error import InPlaceError
from fixinplace.trace.tracer import Options, Tracer


@contextmanager
def watch(content: bool) -> Iterator[None]:
    """Trace what happens inside; raise InPlaceError when it ends in an in-place error or a gradient was silently wrong.

    An in-place error that the code handles itself is its own affair; so is every other exception, and what a `watch`
    inside has raised.
    """
    tracer = Tracer(Options(content=content))
    try:
        with tracer:
            yield
    except Exception as error:
        if not refused.is_told(error) or _is_worded(error):
            raise
        raise InPlaceError(tracer.trace()) from error
    trace = tracer.trace()
    if any(offence.silent for offence in trace.offences):
        raise InPlaceError(trace)


def _is_worded(error: BaseException) -> bool:
    """True if a `watch` inside of this one has told the lines: this one has seen nothing of them."""
    return any(isinstance(each, InPlaceError) for each in refused.chain(error))
