"""The server as two real editors would meet it: what VS Code and Neovim announce, by pytest-lsp's own clients."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import pytest_lsp
from lsprotocol import types
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities

ROOT = Path(__file__).resolve().parent.parent
PROFILES = ("visual-studio-code", "neovim")
"""The first has UTF-16, versions and pushed diagnostics; the second UTF-8, no versions, and pulls."""
TEXT = "import torch\n\n\ndef forward(a, skip):\n    h, s = torch.sigmoid(a), '😀é'; h += skip\n    return h.sum(), s\n"
FIXED = TEXT.replace("h += skip", "h = h + skip")
COLUMNS = {"visual-studio-code": (36, 45), "neovim": (39, 48)}

SERVER = ClientServerConfig(
    server_command=[sys.executable, "-m", "fixinplace", "lsp"], server_env={**os.environ, "PYTHONPATH": str(ROOT)}
)


@pytest_lsp.fixture(config=SERVER, params=PROFILES)
async def client(request: pytest.FixtureRequest, lsp_client: LanguageClient):
    lsp_client.profile = request.param  # type: ignore[attr-defined]
    capabilities = client_capabilities(request.param)
    folders = [types.WorkspaceFolder("file:///tmp", "tmp")]
    await lsp_client.initialize_session(types.InitializeParams(capabilities=capabilities, workspace_folders=folders))
    yield
    await lsp_client.shutdown_session()


async def opened(client: LanguageClient, uri: str) -> list[types.Diagnostic]:
    client.text_document_did_open(types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, "python", 1, TEXT)))
    if client.profile == "neovim":  # type: ignore[attr-defined]
        params = types.DocumentDiagnosticParams(types.TextDocumentIdentifier(uri))
        report = await client.text_document_diagnostic_async(params)
        return list(report.items)
    await client.wait_for_notification(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    return list(client.diagnostics[uri])


def edited(edit: types.WorkspaceEdit, uri: str, encoding: str) -> str:
    """The text with an edit of one line made."""
    if edit.document_changes is not None:
        (document,) = edit.document_changes
        assert isinstance(document, types.TextDocumentEdit) and document.text_document.version == 1
        (hunk,) = document.edits
    else:
        assert edit.changes is not None
        (hunk,) = edit.changes[uri]
    assert isinstance(hunk, types.TextEdit) and hunk.range.start.line == hunk.range.end.line
    lines = TEXT.splitlines(keepends=True)
    codec, size = ("utf-8", 1) if encoding == "utf-8" else ("utf-16-le", 2)
    row = lines[hunk.range.start.line].encode(codec)
    start, end = hunk.range.start.character * size, hunk.range.end.character * size
    lines[hunk.range.start.line] = (row[:start] + hunk.new_text.encode(codec) + row[end:]).decode(codec)
    return "".join(lines)


@pytest.mark.asyncio
async def test_diagnostics_and_the_quick_fix(client: LanguageClient):
    uri = "file:///tmp/ü%20model.py"
    neovim = client.profile == "neovim"  # type: ignore[attr-defined]

    (found,) = await opened(client, uri)

    start, end = COLUMNS["neovim" if neovim else "visual-studio-code"]
    assert found.range == types.Range(types.Position(4, start), types.Position(4, end))
    context = types.CodeActionContext([found], only=[types.CodeActionKind.QuickFix])
    params = types.CodeActionParams(types.TextDocumentIdentifier(uri), found.range, context)
    offered = await client.text_document_code_action_async(params)
    (action,) = [a for a in offered or () if isinstance(a, types.CodeAction) and a.is_preferred]
    resolved = await client.code_action_resolve_async(action)
    assert resolved.edit is not None
    assert (resolved.edit.document_changes is None) == neovim
    assert edited(resolved.edit, uri, "utf-8" if neovim else "utf-16") == FIXED


@pytest.mark.asyncio
async def test_diagnostics_are_pulled_or_pushed_and_never_both(client: LanguageClient):
    uri = "file:///tmp/model.py"
    neovim = client.profile == "neovim"  # type: ignore[attr-defined]

    assert len(await opened(client, uri)) == 1

    assert (uri in client.diagnostics) != neovim
