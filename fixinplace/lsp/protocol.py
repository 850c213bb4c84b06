"""The protocol as pygls has it, but for what it does with texts and with commands.

Note [Our own texts]
    pygls keeps its own copy of every document, splits lines at form feeds and U+2028 as no editor does, and changes
    the positions of a notification while it reads them. Documents are therefore kept here alone (`buffers.py`).
    It also answers a cancelled command without telling the command; here a command is a task that ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams
from pygls.protocol import LanguageServerProtocol
from pygls.protocol.language_server import lsp_method

Command = Callable[[list[Any], types.ExecuteCommandParams], Awaitable[object]]


class Protocol(LanguageServerProtocol):
    """Hands document notifications and commands to the server's own handlers, and to nobody else."""

    def __init__(self, *words: Any, **named: Any) -> None:  # noqa: ANN401 - pygls's own
        super().__init__(*words, **named)
        self.own_commands: dict[str, Command] = {}

    def structure_message(self, data: dict[str, Any]) -> Any:  # noqa: ANN401 - pygls's own
        """A message as an object; a request that is none is answered, where pygls leaves the client waiting."""
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            if "id" in data and "method" in data:
                self._send_response(data["id"], error=error.to_response_error())
            raise

    @lsp_method(types.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(self, params: types.DidOpenTextDocumentParams) -> None:
        """A document is open."""
        self.fm.features[types.TEXT_DOCUMENT_DID_OPEN](params)

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: types.DidChangeTextDocumentParams) -> None:
        """A document has another text."""
        self.fm.features[types.TEXT_DOCUMENT_DID_CHANGE](params)

    @lsp_method(types.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(self, params: types.DidCloseTextDocumentParams) -> None:
        """A document is closed."""
        self.fm.features[types.TEXT_DOCUMENT_DID_CLOSE](params)

    @lsp_method(types.WORKSPACE_EXECUTE_COMMAND)
    async def lsp_workspace__execute_command(  # type: ignore[override]
        self, params: types.ExecuteCommandParams
    ) -> object:
        """Run a command; cancelling the request cancels it."""
        command = self.own_commands.get(params.command)
        if command is None:
            raise JsonRpcInvalidParams(f"there is no command {params.command}")
        return await command(list(params.arguments or ()), params)


def task(work: Awaitable[None], kept: set[asyncio.Future[None]]) -> None:
    """Run something beside what goes on; `kept` holds it until it has ended."""
    future = asyncio.ensure_future(work)
    kept.add(future)
    future.add_done_callback(kept.discard)
