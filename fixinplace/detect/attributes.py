"""What the attributes of a tensor are."""

from __future__ import annotations

from fixinplace import catalogue
from fixinplace.detect.kinds import Layout, Origin
from fixinplace.detect.replacing import replace
from fixinplace.detect.usage import is_given, is_integral
from fixinplace.detect.values import NUMBER, OTHER, SIZE, UNKNOWN, Memory, Value

SHAPES = ("ndim", "device", "dtype", "layout", "requires_grad", "is_cuda", "names", "is_sparse", "itemsize", "nbytes")
_OWN = ("is_leaf", "grad_fn", "output_nr", "retains_grad", "_version", "_base", "is_quantized")
_VIEWS = ("T", "mT", "H", "mH", "real", "imag", "data")


def of_tensor(base: Value, attr: str) -> Value:
    """Attributes of a tensor."""
    if attr == "shape":
        return SIZE
    if attr == "data":
        return replace(base, live=False, leaf=False, view=True)
    if attr in _VIEWS:
        parts = attr in ("real", "imag")
        return replace(base, view=True, layout=max(base.layout, Layout.GAPS if parts else Layout.DENSE))
    if attr in ("grad", "_grad"):
        return replace(base, live=False, leaf=False, memory=frozenset((Memory(Origin.FOREIGN, "`.grad`"),)))
    if attr in SHAPES:
        return NUMBER
    if base.sure == 3 or attr in _OWN or catalogue.result(f"Tensor.{attr}") or catalogue.writer(f"Tensor.{attr}"):
        return OTHER
    # no tensor has it: the guess was wrong, and what was given is an object that holds some
    live = True if base.live and not (is_given(attr) or is_integral(attr)) else None
    return replace(UNKNOWN, sure=int(live is True), live=live, maybe=base.memory | base.maybe)
