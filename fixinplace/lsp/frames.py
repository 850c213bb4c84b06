"""What goes between the server and its analyst: pickled messages, each after its length.

See Note [Looking takes time] in `analyst.py`.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

HEAD = struct.Struct("!Q")
"""Bytes of the message that follows."""


@dataclass(frozen=True, slots=True)
class Order:
    """Call a function of a module of ours."""

    number: int
    work: Callable[..., Any]
    given: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Cancel:
    """Nobody wants the answer any more."""

    number: int


@dataclass(frozen=True, slots=True)
class Done:
    """What an order gave: a value, what it raised, or the exit code of a process that ended without an answer."""

    number: int
    value: Any = None
    error: Exception | None = None
    lost: int | None = None


def framed(message: object) -> bytes:
    """The bytes of one message."""
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return HEAD.pack(len(data)) + data


def unframed(read: bytearray) -> Any | None:  # noqa: ANN401 - one of the above
    """The first whole message of what was read, which is taken out of it; None if there is none yet."""
    if len(read) < HEAD.size:
        return None
    end = HEAD.size + HEAD.unpack_from(read)[0]
    if len(read) < end:
        return None
    message = pickle.loads(bytes(read[HEAD.size : end]))
    del read[:end]
    return message
