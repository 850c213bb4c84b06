"""Writes that torch refuses at once: the error's words name the rule, its traceback the place.

Note [Whose tensor]
    The error comes before any operator runs, so no log has the tensor.  The target is read from the source of the
    failing piece (`scale.clamp_(…)`, `w[0] += 1`) and looked up in the frame's own names; nothing is evaluated beyond
    names, attributes in `__dict__` and constant subscripts of built-in containers, and what cannot be looked up so
    stays unknown.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from types import FrameType, TracebackType
from typing import Any

import torch

from fixinplace.trace import batched, memory
from fixinplace.trace import frames as stacks
from fixinplace.trace.blame import Facts
from fixinplace.trace.frames import Frames, Stack
from fixinplace.trace.holders import Scenes
from fixinplace.trace.ledger import Written
from fixinplace.trace.lookup import named, parameter_name, target_of
from fixinplace.trace.positions import Places
from fixinplace.trace.views import Views
from fixinplace.verify import errors, unshared
from fixinplace.verify.jobs import Failure

_SHARING = "elements of the tensor share memory: clone it before it is written"
_TOGETHER = "its views came out of one call together"
_RULES: tuple[tuple[str, str, str], ...] = (
    (r"a view of a leaf Variable that requires grad", "FIP203", ""),
    (r"a leaf Variable that requires grad", "FIP202", ""),
    (r"BackwardHookFunction\w* is a view and is being modified inplace", "FIP209",
     "a full backward hook wraps the output; instead: `output.register_hook(...)` in a forward hook, or no write in "
     "place"),
    (r"is a view and .*modified inplace.*created inside a custom Function", "",
     "a custom Function gave back a view or its input as it was; torch's words name the remedy: clone its output"),
    (r"is a view and .*modified inplace", "FIP204", _TOGETHER),
    (r"view was created in no_grad mode.*returns multiple views", "FIP204", _TOGETHER),
    (r"view was created in (?:no_grad|inference) mode", "FIP206", ""),
    (r"Inplace update to inference tensor", "FIP205", ""),
    (r"Inference tensors cannot be saved", "FIP205", "nothing is written: autograd would have to keep the tensor"),
    (r"Can't detach views in-place", "",
     "`detach_` on a view: detach the whole, or bind the name anew: `x = x.detach()`"),
    (r"functions with out=", "", "autograd cannot record `out=`: bind the result to a name instead"),
    (r"refers? to a single memory location", "", _SHARING),
    (r"attempted to call in-place operation", "",
     "torch.func transforms must get every tensor that they write as an argument"),
    (r"vmap: |doesn't match the broadcast shape", "FIP211", ""),
    (r"Batch norm got a batched tensor", "FIP211", "batch norm updates its running statistics, which have no batch"),
    (r"has been modified by an inplace operation", "",
     "torch's own check found it on a tensor that no saved-tensor hook was told of; the writer was not seen"),
    (r"detached in-?place", "", ""),
)  # fmt: skip
_GIVEN_BACK = re.compile(
    r"another view of its base has been modified inplace.*created inside a custom Function", re.DOTALL
)
_DECLARED = "the forward of a custom Function wrote its argument without ctx.mark_dirty, and gave it back"
_CHECKPOINTED = "what is written was given to a checkpoint or another Function of torch's, and is given back by it"
_WRITTEN = "_written_under_fixinplace"
"""What an exception keeps of the writes that a custom Function made to its arguments."""
TOLD = "_told_by_fixinplace"
"""What marks an exception that has become an offence."""
SHOWN = "_shown_under_fixinplace"
"""What marks an exception that becomes one if the program leaves with a failure."""
_BACKWARD = re.compile(r"has been modified by an inplace operation|saved tensor that has been detached")


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those that it was raised from or while handling."""
    seen: list[BaseException] = []
    waiting: BaseException | None = error
    while waiting is not None and waiting not in seen:
        seen.append(waiting)
        yield waiting
        waiting = waiting.__cause__ or waiting.__context__


def is_failing_exit(error: BaseException) -> bool:
    """True for an exit with a code other than 0, as of a test runner in which a test has failed."""
    return isinstance(error, SystemExit) and error.code not in (None, 0)


def is_told(error: BaseException) -> bool:
    """True if an in-place error ended the code, also where another exception was raised from it."""
    return any(is_known(each) for each in chain(error))


def is_known(error: BaseException) -> bool:
    """True for an in-place error: by its words, or since it has become an offence."""
    told = isinstance(error, RuntimeError) and errors.is_inplace(Failure(type(error).__name__, str(error)))
    return told or TOLD in error.__dict__


def facts(error: BaseException, frames: Frames, places: Places, views: Views, scenes: Scenes) -> Facts | None:
    """The offence that an exception tells; None if it is no in-place error."""
    message = str(error)
    if not isinstance(error, RuntimeError) or not (is_known(error) or batched.may_be(message)):
        return None
    written: Facts | None = error.__dict__.get(_WRITTEN)
    if written is not None:
        return replace(written)
    known = ((rule, note) for words, rule, note in _RULES if re.search(words, message, re.DOTALL))
    rule, note = next(known, ("", ""))
    stack, frame = _stack(error, frames)
    if _BACKWARD.search(message):
        return Facts([], rule=rule, needed=stack, complete=False, message=message, note=note)
    place = places.innermost(stack)
    node = _parsed("" if place is None else place.text)
    target = named(target_of(node), frame) if frame is not None and node is not None else None
    if batched.may_be(message) and not batched.is_refused(message, node, target, frame):
        return None
    write = Written(0, _op(node), stack, 0)
    if "running_mean" in message:
        write.names = ("running_mean",)
    elif isinstance(target, torch.Tensor):
        _describe(write, target)
        note = "; ".join(filter(None, (note, _origin(rule, target, frame, places, views))))
    if rule == "FIP209":
        _built(write, error, scenes)
    return Facts([write], rule=rule, message=message, note=note)


def given_back(
    error: RuntimeError, args: tuple[Any, ...], passed: list[tuple[int, Written]], by_the_user: bool
) -> None:
    """A custom Function has raised: note on the error who wrote its arguments, if giving them back is what is refused.

    passed: storages and writes in its forward. by_the_user: it is the user's own; what writes in one of torch's (a
    checkpoint) is a function that it was given.
    """
    if _GIVEN_BACK.search(str(error)) is None or _WRITTEN in error.__dict__:
        return
    keys = {memory.key(each) for each in args if isinstance(each, torch.Tensor)}
    writes = [write for key, write in passed if key in keys]
    if writes:
        note = _DECLARED if by_the_user else _CHECKPOINTED
        rule = "FIP210" if by_the_user else ""
        error.__dict__[_WRITTEN] = Facts(writes, rule=rule, message=str(error), note=note)


def _stack(error: BaseException, frames: Frames) -> tuple[Stack, FrameType | None]:
    """The stack at the raise, innermost first, and the innermost frame of the user's own code."""
    trace: TracebackType | None = error.__traceback__
    entries: list[TracebackType] = []
    while trace is not None:
        entries.append(trace)
        trace = trace.tb_next
    outer = frames.stack(entries[0].tb_frame.f_back) if entries else ()
    inner: list[int] = []
    for each in reversed(entries):
        inner += frames.entry(each.tb_frame.f_code, each.tb_lasti)
    own = (each.tb_frame for each in reversed(entries) if frames.owns(each.tb_frame.f_code.co_filename))
    return (*inner, *outer), next(own, None)


def _parsed(text: str) -> ast.AST | None:
    try:
        return ast.parse(text).body[0]
    except (SyntaxError, IndexError, ValueError):
        return None


def _op(node: ast.AST | None) -> str:
    if isinstance(node, ast.AugAssign):
        return f"{type(node.op).__name__.lower()}_"
    value: Any = node.value if isinstance(node, ast.Expr) else node
    if isinstance(value, ast.Call):
        function = value.func
        return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return "copy_" if isinstance(value, ast.Subscript) else ""


def _describe(write: Written, target: torch.Tensor) -> None:
    write.shape = tuple(target.shape)
    write.dtype = str(target.dtype).removeprefix("torch.")
    write.requires_grad, write.leaf, write.view = target.requires_grad, target.is_leaf, target._is_view()


def _built(write: Written, error: BaseException, scenes: Scenes) -> None:
    """The in-place module that was writing: the line that calls the model says little of it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    around = scenes.around(None if trace is None else trace.tb_frame)
    if around.instances.flagged:
        write.module, write.built, write.instances = around.module, around.built, around.instances


def _origin(rule: str, target: torch.Tensor, frame: FrameType | None, places: Places, views: Views) -> str:
    """Whose parameter it is, or where the view was made."""
    if rule in ("FIP202", "FIP203"):
        names = {} if frame is None else stacks.read_locals(frame)
        base = target._base if target._is_view() and target._base is not None else target
        name = parameter_name(base, names)
        unnamed = "it is a parameter that no module was seen to hold" if isinstance(base, torch.nn.Parameter) else ""
        sharing = _SHARING if unshared.shares(target) else ""
        return "; ".join(filter(None, (f"it is the parameter {name}" if name else unnamed, sharing)))
    what = {"FIP204": "multiple", "FIP206": "no-grad"}.get(rule)
    place = places.of(views.of(what, target)) if what else None
    return "" if place is None else f"the view was made at {place.file}:{place.line}:{place.column}"
