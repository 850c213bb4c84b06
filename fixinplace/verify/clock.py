"""What a program prints of the clock, which says nothing about what it computes."""

from __future__ import annotations

import re

_NUMBER = r"\d+(?:\.\d+)?(?:e[+-]?\d+)?"
_UNIT = r"(?:s|secs?|seconds?|ms|milliseconds?|us|\u00b5s|ns)"
_COUNTED = r"(?:it|iters?|its|steps?|batch(?:es)?|samples?|ex|examples?|images?|imgs?|tok|tokens?|frames?)"
_RATE = rf"(?:{_COUNTED}\s?/\s?s(?:ec(?:ond)?)?|s\s?/\s?{_COUNTED}|fps)"
_WORD = r"(?:time|elapsed|took|takes|duration|eta)"

_TIMES = (
    re.compile(r"\b\d{1,4}:\d\d:\d\d(?:[.,]\d+)?\b|\b\d\d:\d\d(?=[\s<\],]|$)"),
    re.compile(rf"(?<![\w.]){_NUMBER}(?=\s?(?:{_RATE}|{_UNIT})(?![\w/]))", re.IGNORECASE),
    re.compile(rf"\b({_WORD}\b\W{{0,3}}){_NUMBER}(?:(\s*\(\s*){_NUMBER}(?=\)))?", re.IGNORECASE),
)
"""Times of day and durations with colons; numbers with a unit of time, or per second; numbers behind `time`."""


def timeless(text: str) -> str:
    """`text` with a `0` for every time of day, duration and rate that it tells.

    Note [The clock]
        Two runs of the original tell what changes from run to run, and that is not compared.  A test runner's
        `1 passed in 0.39s` is often the same twice and another one the third time: a correct rewrite fell for it.
    """
    for pattern in _TIMES[:2]:
        text = pattern.sub("0", text)
    return _TIMES[2].sub(lambda found: f"{found[1]}0{found[2] + '0' if found[2] else ''}", text)
