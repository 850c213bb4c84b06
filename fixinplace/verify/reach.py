"""Which regions of the edited texts have run, to the instruction.

Note [Instructions, not lines]
    `if c: x += 1` on one line reaches the line whenever the test is made; a conditional expression or a lambda hides
    its parts likewise.  Python 3.11 knows the span of every instruction, so a region counts as reached when every
    instruction that lies inside it has run, or, where it is too small to hold one (a flag taken out of a call), the
    smallest instruction of its statement around it.  Code objects are told by identity: another copy of the file,
    read from the disk, does not count.  Of `x = y if x is old else x`, which a rewrite adds to ask who the written
    tensor was, one branch runs and the other never does: it is reached when it has asked.

Note [Built is not called]
    An in-place module writes where it is called, not where it is built.  A region inside the expression that built one
    is reached when a module built there has been called.  So it is with identities.
"""

from __future__ import annotations

import ast
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from types import CodeType, FrameType, TracebackType
from typing import Any, Protocol

from fixinplace.model import Span
from fixinplace.source import Text
from fixinplace.verify.jobs import Region


def code_objects(code: CodeType) -> Iterator[CodeType]:
    """The code object and all that are nested in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from code_objects(constant)


def spans(code: CodeType, text: Text) -> list[Span | None]:
    """Span in the text of every instruction of one code object, by index; None where it has no columns or no width."""
    found: list[Span | None] = []
    for line, end_line, column, end_column in code.co_positions():
        known = line and end_line and column is not None and end_column is not None
        if not known or (line, column) == (end_line, end_column):
            found.append(None)
        else:
            assert line and end_line and column is not None and end_column is not None
            found.append(Span(text.offset(line, column), text.offset(end_line, end_column)))
    return found


def needed(
    region: Region, statements: list[Span], known: Iterable[Span], asked: Sequence[tuple[Span, Span]] = ()
) -> frozenset[Span]:
    """Spans of the instructions that must run for the region to count as reached; empty if it holds no code.

    statements: see `statement_spans`. known: spans of all instructions of the text. asked: see `asked_spans`.
    """
    place = Span(region.start, region.end)
    known = list(known)
    inside = frozenset(span for span in known if place.contains(span))
    if inside:
        branches = [branch for whole, branch in asked if place.contains(whole)]
        return frozenset(span for span in inside if not any(branch.contains(span) for branch in branches))
    home = min((span for span in statements if span.contains(place)), key=_width, default=None)
    around = [span for span in known if span.contains(place) and home is not None and home.contains(span)]
    return frozenset([min(around, key=_width)] if around else [])


def _width(span: Span) -> int:
    return span.end - span.start


def statement_spans(tree: ast.Module, text: Text) -> list[Span]:
    """Spans of all statements; of a compound one, of its header with its decorators."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            span, body = text.span(node), getattr(node, "body", None)
            first = min((text.span(each).start for each in getattr(node, "decorator_list", [])), default=span.start)
            inner = text.span(body[0]).start if isinstance(body, list) and body else span.end
            found.append(Span(first, max(span.start, inner)))
    return found


def asked_spans(tree: ast.Module, text: Text) -> list[tuple[Span, Span]]:
    """Of every `a if b is c else d` with nothing but names: its own span and that of either branch."""
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.IfExp(
                test=ast.Compare(ops=[ast.Is()], comparators=[ast.Name()]),
                body=ast.Name() as one,
                orelse=ast.Name() as other,
            ):
                found += [(text.span(node), text.span(each)) for each in (one, other)]
    return found


def holding_code(text: str, regions: Iterable[Region]) -> frozenset[Region]:
    """Those regions in which something can run at all (a `global` declaration cannot); raises SyntaxError."""
    table = Text(text)
    tree = ast.parse(text)
    statements, asked = statement_spans(tree, table), asked_spans(tree, table)
    code = compile(text, "<text>", "exec", dont_inherit=True)
    known = {span for each in code_objects(code) for span in spans(each, table) if span is not None}
    return frozenset(region for region in regions if needed(region, statements, known, asked))


class Calls(Protocol):
    """Somebody who wants to know about the calls of the edited file's functions."""

    def wants(self, code: CodeType) -> bool:
        """False once enough calls of this function are known."""
        ...

    def begin(self, frame: FrameType) -> None:
        """A frame starts, or a generator goes on."""
        ...

    def end(self, frame: FrameType, value: object) -> None:
        """The frame returns or yields `value`."""
        ...


Spot = tuple[int, Span]
"""A span in one of the texts, by the text's place among them."""


class Reach:
    """Traces the code objects that hold a wanted region; a context manager around the user's code.

    regions: None traces nothing.
    calls: told when a function of one of the texts begins and ends.
    """

    def __init__(self, texts: Sequence[str], regions: tuple[Region, ...] | None, calls: Calls | None = None) -> None:
        self._calls = calls
        self._active = regions is not None
        self._regions = regions or ()
        self._texts = [Text(text) for text in texts]
        wanted = self._texts if self._active else []
        trees = [(ast.parse(text.text), text) for text in wanted]
        self._statements = [statement_spans(*each) for each in trees]
        self._asked = [asked_spans(*each) for each in trees]
        self._needed: dict[Region, frozenset[Spot]] = {}
        self._spots: dict[int, list[Spot | None]] = {}
        self._codes: list[CodeType] = []
        self._open: dict[int, set[Spot | None]] = {}  # by code object: what has not run yet
        self._done: set[Spot] = set()
        self._always: set[Spot] = set()
        self.modules = Modules(self)

    def seen(self, code: CodeType, file: int = 0) -> None:
        """Told by the loader: this code came from the text at this place."""
        if not self._active:
            return
        self._codes.append(code)  # its id must stay its own
        rows = {id(each): spans(each, self._texts[file]) for each in code_objects(code)}
        known = {span for row in rows.values() for span in row if span is not None}
        for region in self._regions:
            if region.file == file:
                found = needed(region, self._statements[file], known, self._asked[file])
                self._needed[region] = frozenset((file, span) for span in found)
        wanted = frozenset().union(*self._needed.values())
        spots = {key: [None if span is None else (file, span) for span in row] for key, row in rows.items()}
        self._spots |= spots
        self._open |= {key: {spot for spot in row if spot in wanted} for key, row in spots.items()}

    def keep(self) -> None:
        """What has run until now, while the file was imported, runs in every try: it is not forgotten."""
        self._always |= self._done
        self.modules.keep()

    def forget(self) -> None:
        """From now on only what runs later has run, and what is kept."""
        wanted = frozenset().union(*self._needed.values())
        self._open = {key: {spot for spot in row if spot in wanted} for key, row in self._spots.items()}
        self._done = set(self._always)
        self.modules.forget()

    def reached(self) -> frozenset[int]:
        """Indices of the regions all of whose code has run."""
        found = set()
        for index, region in enumerate(self._regions):
            wanted = self._needed.get(region, frozenset())
            place = (region.file, Span(region.start, region.end))
            if wanted and wanted <= self._done and self.modules.called_from(place):
                found.add(index)
        return frozenset(found)

    def caller(self, frame: FrameType | None) -> tuple[int, int, Spot] | None:
        """Code, instruction and spot of the innermost frame that runs one of the texts."""
        while frame is not None:
            row = self._spots.get(id(frame.f_code))
            if row is not None:
                spot = row[frame.f_lasti // 2]
                return None if spot is None else (id(frame.f_code), frame.f_lasti, spot)
            frame = frame.f_back
        return None

    def __enter__(self) -> None:
        if self._active:
            self.modules.install()
            threading.settrace(self._call)
            sys._getframe().f_trace_opcodes = True  # Python 3.12 asks whether any frame wants instructions, only once
            sys.settrace(self._call)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._active:
            sys.settrace(None)

    def _call(self, frame: FrameType, event: str, argument: object) -> Any:
        left = self._open.get(id(frame.f_code))
        if left is None or not (left or self._records(frame.f_code)):
            return None
        frame.f_trace_opcodes = bool(left)
        frame.f_trace_lines = False
        if self._calls is not None:
            self._calls.begin(frame)
        return self._step

    def _records(self, code: CodeType) -> bool:
        return self._calls is not None and self._calls.wants(code)

    def _step(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == "opcode":
            left = self._open[id(frame.f_code)]
            spot = self._spots[id(frame.f_code)][frame.f_lasti // 2]
            if spot is not None and spot in left:
                self._done.add(spot)
                left.remove(spot)
                frame.f_trace_opcodes = bool(left)  # a loop goes on at its own speed once everything has been seen
        elif event == "return" and self._calls is not None:
            self._calls.end(frame, argument)
        return self._step


class Modules:
    """Where the program built its modules with an `inplace` switch, and which of them it called."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._built: dict[int, tuple[object, tuple[int, int, Spot]]] = {}
        self._called: set[tuple[int, int, Spot]] = set()
        self._always: dict[int, tuple[object, tuple[int, int, Spot]]] = {}
        self._installed = False

    def keep(self) -> None:
        """What was built until now, `act = nn.SiLU(inplace=True)` in a class, is there in every try."""
        self._always = dict(self._built)

    def forget(self) -> None:
        """No module has been called, and none built but what is kept."""
        self._built = dict(self._always)
        self._called.clear()

    def install(self) -> None:
        """Watch construction and calls of modules from now on."""
        if self._installed:
            return
        self._installed = True
        import torch

        module: Any = torch.nn.Module
        original, identity = module.__init__, torch.nn.Identity

        def init(this: Any, *args: Any, **kwargs: Any) -> None:
            original(this, *args, **kwargs)
            code = getattr(type(this).__init__, "__code__", None)
            if code is not None and ("inplace" in code.co_varnames or isinstance(this, identity)):
                site = self._reach.caller(sys._getframe(1))
                if site is not None:
                    self._built[id(this)] = (this, site)

        module.__init__ = init
        torch.nn.modules.module.register_module_forward_pre_hook(self._call)

    def _call(self, module: object, arguments: object) -> None:
        if (built := self._built.get(id(module))) is not None:
            self._called.add(built[1])

    def called_from(self, place: Spot) -> bool:
        """True if every expression around or inside `place` that built such a module saw one of its modules called."""
        sites = {site for _, site in self._built.values()}
        concerned = {site for site in sites if _nested(site[2], place) or _nested(place, site[2])}
        return concerned <= self._called


def _nested(outer: Spot, inner: Spot) -> bool:
    return outer[0] == inner[0] and outer[1].contains(inner[1])
