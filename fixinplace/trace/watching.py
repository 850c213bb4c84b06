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

    An in-place error that the code handles itself is its own affair; so is every other exception.
    """
    tracer = Tracer(Options(content=content))
    try:
        with tracer:
            yield
    except Exception as error:
        if not refused.is_told(error):
            raise
        raise InPlaceError(tracer.trace()) from error
    trace = tracer.trace()
    if any(offence.silent for offence in trace.offences):
        raise InPlaceError(trace)
