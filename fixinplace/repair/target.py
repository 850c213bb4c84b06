"""The user's own command as a probe: a script with arguments, a module, or a function of a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fixinplace.verify import probes
from fixinplace.verify.probes import Probe, ProbeError


def parse(module: str | None, words: Sequence[str], folder: Path) -> Probe:
    """The probe that a command line means; raises ProbeError with one line.

    module: what stood behind `-m`. words: all else; without a module its first is a script or `FILE.py::name`.
    """
    if module is not None:
        return Probe("module", "", module, tuple(words), str(folder))
    if not words:
        raise ProbeError("nothing to repair: name a script, FILE.py::function, or -m MODULE")
    first, *rest = words
    if "::" in first:
        if rest:
            raise ProbeError(f"{first} is a function and takes no arguments: {' '.join(rest)}")
        (probe,) = probes.parse(first, folder)
        return Probe(probe.kind, probe.path, probe.name, (), str(folder))
    path = folder / first
    if not path.is_file():
        raise ProbeError(f"there is no file {first}")
    return Probe("script", str(path.absolute()), None, tuple(rest), str(folder))
