"""Edits of the pipeline as those of an editor: small hunks that do not touch, for one version of a document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lsprotocol import types

from fixinplace.lsp.buffers import Buffer
from fixinplace.model import Edit, Span
from fixinplace.source import Text


def workspace_edit(buffer: Buffer, edits: Iterable[Edit], *, versioned: bool) -> types.WorkspaceEdit:
    """The edits of one buffer; versioned: the client refuses them once the buffer has another version."""
    hunks = [types.TextEdit(buffer.range_of(edit.span), edit.text) for edit in minimal(buffer.part, list(edits))]
    if not versioned:
        return types.WorkspaceEdit(changes={buffer.uri: hunks})
    document = types.OptionalVersionedTextDocumentIdentifier(buffer.uri, buffer.version)
    return types.WorkspaceEdit(document_changes=[types.TextDocumentEdit(document, list(hunks))])


def minimal(part: Text, edits: Sequence[Edit]) -> list[Edit]:
    """The same edits in the order of the text, each without what it leaves as it is.

    Edits that touch become one, since editors do not agree on what comes first where two begin at the same place.
    """
    joined: list[Edit] = []
    for edit in sorted(edits, key=lambda edit: (edit.span.start, edit.span.end)):
        if joined and joined[-1].span.end >= edit.span.start:
            before = joined.pop()
            joined.append(Edit(Span(before.span.start, edit.span.end), before.text + edit.text))
        else:
            joined.append(edit)
    trimmed = [_trimmed(part, edit) for edit in joined]
    return [edit for edit in trimmed if edit.text or edit.span.start < edit.span.end]


def _trimmed(part: Text, edit: Edit) -> Edit:
    old, new = part.slice(edit.span), edit.text
    most = min(len(old), len(new))
    head = _common(old, new, most)
    if head and old[head - 1] == "\r":
        head -= 1  # a line end is one character to an editor
    tail = _common(old[::-1], new[::-1], most - head)
    if tail and old[-tail] == "\n" and (old[-tail - 1 : -tail] == "\r" or new[-tail - 1 : -tail] == "\r"):
        tail -= 1
    return Edit(Span(edit.span.start + head, edit.span.end - tail), new[head : len(new) - tail])


def _common(one: str, other: str, most: int) -> int:
    """How many characters two texts have in common at their beginning, at most `most`."""
    for count in range(most):
        if one[count] != other[count]:
            return count
    return most
