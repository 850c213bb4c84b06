"""fixinplace: find in-place writes that break autograd, rewrite them, and prove the rewrite by running it."""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` takes longer to import than an unchanged tree to be told again
if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from fixinplace.trace.error import InPlaceError

__version__ = "0.1.0"
__all__ = ["InPlaceError", "__version__", "watch"]


def watch(*, content: bool = True) -> AbstractContextManager[None]:
    """Watch a training step: `with fixinplace.watch(): step()`, or as a decorator.

    Raises InPlaceError, whose message names the line that wrote, the line that had saved and the backward that needed
    the old value, when the step ends in an in-place error of torch or when a gradient was silently wrong.

    content: copy every saved tensor and compare it at the backward, which also finds writes that torch does not see
    (numpy); takes as much memory again as the saved tensors. Costs nothing when not entered; torch is imported here.
    """
    from fixinplace.trace.watching import watch as entered

    return entered(content)


def __getattr__(name: str) -> object:
    """The error class, when it is asked for: the command line answers some questions without it."""
    if name == "InPlaceError":
        from fixinplace.trace.error import InPlaceError as found

        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
