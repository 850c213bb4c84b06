"""Runs the text of a program under the tracer, in this process, and reads the comments that mark its lines."""

from __future__ import annotations

import linecache
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch

from fixinplace.trace.events import Offence, Trace
from fixinplace.trace.tracer import Options, Tracer

PLAIN = Options()
PATH = "/somewhere/program.py"
HEAD = "import torch\nfrom torch import nn\nimport torch.nn.functional as F\n\ntorch.manual_seed(0)\n"


@dataclass(frozen=True)
class Run:
    """What a program did under the tracer: its trace, and the exception that ended it."""

    text: str
    trace: Trace
    error: BaseException | None

    def lines(self, word: str) -> set[int]:
        """Lines that end in the comment `# word`, alone or among others."""
        marked = ((number, line.partition("#")[2].split()) for number, line in enumerate(self.text.splitlines(), 1))
        return {number for number, words in marked if word in words}

    @property
    def offence(self) -> Offence:
        (offence,) = self.trace.offences
        return offence


def code(body: str) -> str:
    """A program: the usual imports, a seed, and the body; TorchScript finds its source in the line cache."""
    text = HEAD + textwrap.dedent(body)
    linecache.cache[PATH] = (len(text), None, text.splitlines(keepends=True), PATH)
    return text


def traced(body: str, options: Options = PLAIN) -> Run:
    """Run a program under the tracer; what it raises is kept."""
    text = code(body)
    options = replace(options, own=lambda file: file == PATH, texts={PATH: text})
    tracer, error = Tracer(options), None
    with one_thread():
        try:
            with tracer:
                exec(compile(text, PATH, "exec"), {"__name__": "__main__", "__file__": PATH})
        except (Exception, SystemExit) as raised:
            error = raised
    return Run(text, tracer.trace(), error)


def native(body: str) -> BaseException | None:
    """What the program raises without the tracer."""
    with one_thread():
        try:
            exec(compile(code(body), PATH, "exec"), {"__name__": "__main__", "__file__": PATH})
        except Exception as raised:
            return raised
    return None


@contextmanager
def one_thread() -> Iterator[None]:
    """Small programs are faster without torch's own threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
