"""The edit of an action that was chosen, if the text is still the one that it was offered for."""

from __future__ import annotations

from typing import Any

from lsprotocol import types

from fixinplace import pipeline
from fixinplace.lsp import edits, ignoring, proofs
from fixinplace.lsp.buffers import Buffer
from fixinplace.lsp.client import Client
from fixinplace.lsp.page import Look, Page
from fixinplace.model import Edit, Fix, Verdict
from fixinplace.source import apply

Json = dict[str, Any]


class NoEdit(Exception):
    """There is no edit to give; the message is one sentence. stale: the text is no longer what was asked about."""

    def __init__(self, message: str, *, stale: bool = False) -> None:
        super().__init__(message)
        self.stale = stale


def ticket(buffer: Buffer, wanted: Json | None) -> Json:
    """What a later request must name to get an edit: see Note [Stale]."""
    return {"uri": buffer.uri, "version": buffer.version, "digest": buffer.digest, "wanted": wanted}


def is_stale(given: Json, buffer: Buffer) -> bool:
    """True if a ticket was made for another text."""
    return bool(given.get("version") != buffer.version or given.get("digest") != buffer.digest)


def resolved(action: types.CodeAction, page: Page, client: Client) -> types.CodeAction:
    """The action with its edit; raises NoEdit, also where the text is not the one that the action was made for."""
    data, look = action.data, page.fresh
    assert isinstance(data, dict)
    if look is None or is_stale(data, page.buffer) or not look.parsed:
        raise NoEdit("the text has changed since the action was offered: ask again", stale=True)
    made = _edits(data, page, look)
    if not made:
        raise NoEdit(_NOTHING[data["do"]])
    action.edit = edits.workspace_edit(page.buffer, made, versioned=client.versioned)
    return action


_NOTHING = {
    "fix": "the fix was refuted meanwhile, or Python's compiler does not take what it gives",
    "joint": "the proof no longer holds for this text",
    "all": "nothing is safe or proved any more",
    "unignore": "the comment is no longer there, or is used",
    "ignore": "no comment can stand on this line: it ends inside of a string or with a backslash, or has one already",
}


def _edits(data: Json, page: Page, look: Look) -> tuple[Edit, ...]:
    if data["do"] == "all":
        return proofs.safe_and_proved(look.source, look.holding.enabled, page.proven)
    if data["do"] == "joint":
        proven = page.proven
        return proven.edits if proven is not None and proven.before == look.source.part.text else ()
    if data["do"] == "unignore":
        made = ignoring.removal(look.source.part, look.analysis, look.holding.enabled, (data["line"], data["column"]))
        return (made,) if made is not None else ()
    place = data["rule"], data["start"], data["end"]
    for finding in proofs.ruled(look.analysis, look.source.part.text, page.proven).findings:
        if (finding.rule, finding.site.span.start, finding.site.span.end) == place:
            if data["do"] == "ignore":
                comment = ignoring.edit(look.source.part, finding)
                return (comment,) if comment is not None else ()
            if isinstance(finding.outcome, Fix):
                return _compiling(look, finding.outcome)
    return ()


def _compiling(look: Look, fix: Fix) -> tuple[Edit, ...]:
    """A fix's edits, if Python's compiler takes the text they give (or did not take the one before)."""
    before = look.source.part.text
    if fix.ruling is not None and fix.ruling.verdict is Verdict.REFUTED:
        return ()
    works = pipeline.compiles(apply(before, list(fix.edits))) or not pipeline.compiles(before)
    return fix.edits if works else ()
