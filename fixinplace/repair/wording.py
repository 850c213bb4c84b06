"""What an offence is called, in the words of the rules and in a sentence."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from fixinplace.repair.base import Files, Proposal, Scene
from fixinplace.repair.code import Code
from fixinplace.repair.ran import writers
from fixinplace.repair.steps.flags import set_later
from fixinplace.trace.events import Offence, Place

_RESULT = "keeps its result for backward"
_OPERAND = "keeps what it is given for backward"
_GIVES_INDEX = "max min median nanmedian kthvalue mode sort topk cummax cummin".split()


def rule_of(offence: Offence, files: Files) -> str:
    """The offence's own code, else that of the construct that wrote first."""
    if offence.rule or not offence.writes:
        return offence.rule or "FIP116"
    first = offence.writes[0]
    if first.origin != first.place:
        return "FIP107"
    spot = Scene(offence, files).node(first.place)
    if spot is None:
        return "FIP104"
    found = next(iter(writers(*spot)), None)
    return found[1] if found is not None else _of_node(spot[1])


def _of_node(node: ast.expr | ast.stmt) -> str:
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
        return "FIP109"
    calls = [each for each in ast.walk(node) if isinstance(each, ast.Call)]
    words = {keyword.arg for call in calls for keyword in call.keywords}
    return "FIP110" if "out" in words else "FIP106" if "inplace" in words else "FIP105"


def place_of(offence: Offence, proposals: Iterable[Proposal], files: Files) -> Place | None:
    """Where the culprit stands: the first write, or the flag behind it; the mode that made the tensor; what keeps a
    state with its graph; the save."""
    if only_kept(offence) and (mode := _mode(proposals, files)) is not None:
        return mode
    if offence.keeper is not None:
        return offence.keeper
    if offence.writes:
        return _flag(offence, files) or offence.writes[0].origin
    return offence.save.place if offence.save is not None else offence.needed


def _flag(offence: Offence, files: Files) -> Place | None:
    """Where the `inplace` of a module was set, if not by the call that built it."""
    write = offence.writes[0]
    scene = Scene(offence, files)
    built = scene.node(write.origin)
    if write.origin == write.place or built is None or "inplace" in built[0].source_of(built[1]):
        return None
    call = built[1]
    if isinstance(call, ast.Call) and any(isinstance(each, ast.Constant) and each.value is True for each in call.args):
        return None
    found = list(set_later(scene, write))
    return place_in(*found[0]) if len(found) == 1 else None


def place_in(code: Code, node: ast.expr | ast.stmt) -> Place:
    """A node as a place."""
    span = code.text.span(node)
    (line, column), (end_line, end_column) = code.text.position(span.start), code.text.position(span.end)
    return Place(code.path, line, column, end_line, end_column, text=code.source_of(node).partition("\n")[0])


def only_kept(offence: Offence) -> bool:
    """True for an inference tensor that nobody writes: autograd would have to keep it."""
    return offence.rule == "FIP205" and "cannot be saved for backward" in offence.message


def _mode(proposals: Iterable[Proposal], files: Files) -> Place | None:
    """The `inference_mode` that a proposal replaces, if there is one only."""
    changes = [change for each in proposals if each.repair == "inference-mode" for change in each.changes]
    code = files(changes[0].path) if len(changes) == 1 else None
    if code is None:
        return None
    span = changes[0].edits[0].span
    (line, column), (end_line, end_column) = code.text.position(span.start), code.text.position(span.end)
    return Place(changes[0].path, line, column, end_line, end_column, text=code.text.slice(span))


def headline(offence: Offence, files: Files) -> str:
    """What was written, in one clause."""
    if offence.keeper is not None:
        return f"`{offence.keeper.text}` keeps `{offence.state}` with the graph that made it"
    first = offence.writes[0] if offence.writes else None
    if first is None:
        return (
            offence.message.partition("\n")[0]
            or "a tensor that a backward needed was overwritten, by whom was not seen"
        )
    if only_kept(offence):
        return "inference mode has made a tensor that autograd would have to keep for backward"
    text = text_of(first.origin, files) or first.op
    plain = sorted((name for name in first.names if " " not in name), key=lambda each: ".param_groups[" in each)
    name = plain[0] if plain else first.names[0] if first.names else None
    what = (
        f"`{name}`" if name else f"a {first.dtype} tensor of shape {list(first.shape)}" if first.dtype else "a tensor"
    )
    if (flag := _flag(offence, files)) is not None:
        return f"`{flag.text}` sets the flag of `{text}`, which overwrites {what}"
    if first.origin != first.place:
        return f"`{text}` builds a module that overwrites {what}"
    verb = "may not overwrite" if offence.save is None and offence.message else "overwrites"
    return f"`{text}` {verb} {what}"


def text_of(place: Place | None, files: Files) -> str:
    """The source of a write; of a store the whole line, since Python's position is that of its target."""
    code = files(place.file) if place is not None else None
    node = code.at(place) if code is not None and place is not None else None
    if code is None or node is None:
        return place.text if place is not None else ""
    statement = code.statement(node)
    if isinstance(statement, ast.Assign) and node in statement.targets:
        return code.source_of(statement).partition("\n")[0]
    return place.text if place is not None else ""


def reason_kept(offence: Offence) -> str:
    """Why autograd kept the tensor: as a result of the operation, or as what it was given."""
    save = offence.save
    if save is None or not offence.node:
        return ""
    index = save.op in _GIVES_INDEX and save.dtype == "int64"
    return f"{save.op} {_RESULT if save.result or index else _OPERAND}"
