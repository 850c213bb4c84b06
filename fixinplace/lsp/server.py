"""The server: what a client may ask, each in a line or two."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from fixinplace import __version__
from fixinplace.lsp import actions, client, diagnostics, hover
from fixinplace.lsp.analysts import Analysts
from fixinplace.lsp.buffers import Buffer, path_of
from fixinplace.lsp.children import Children
from fixinplace.lsp.client import Client
from fixinplace.lsp.commands import Commands
from fixinplace.lsp.desk import Desk
from fixinplace.lsp.page import Page
from fixinplace.lsp.pages import Pages
from fixinplace.lsp.positions import Encoding
from fixinplace.lsp.progress import reported
from fixinplace.lsp.protocol import Protocol, task
from fixinplace.lsp.resolving import NoEdit, resolved
from fixinplace.lsp.settings import SECTION, Projects
from fixinplace.lsp.surroundings import is_running
from fixinplace.lsp.workspace import Workspace
from fixinplace.source import Text

_LIFE = 3.0
"""Seconds between looks at whether the editor still runs."""


class ContentModified(JsonRpcException):
    """The text is no longer what was asked about."""

    CODE = types.LSPErrorCodes.ContentModified
    MESSAGE = "Content modified"


class RequestFailed(JsonRpcException):
    """What was asked for does not exist."""

    CODE = types.LSPErrorCodes.RequestFailed
    MESSAGE = "Request failed"


@dataclass
class Service:
    """One server for one client."""

    analysts: Analysts
    server: LanguageServer = field(
        default_factory=lambda: LanguageServer("fixinplace", __version__, protocol_cls=Protocol)
    )
    client: Client = field(default_factory=Client)
    encoding: Encoding = Encoding.UTF16
    projects: Projects = field(default_factory=Projects)
    was_shut_down: bool = False
    _tasks: set[asyncio.Future[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.pages = Pages(self.analysts.folder)
        self.children = Children(lambda: self.analysts.pids)
        self.desk = Desk(self.projects, self.analysts, self)
        self.commands = Commands(self)
        self.workspace = Workspace(self)
        handlers: dict[str, Callable[..., object]] = {
            types.INITIALIZE: self.initialize,
            types.INITIALIZED: self.workspace.initialized,
            types.SHUTDOWN: self.shutdown,
            types.TEXT_DOCUMENT_DID_OPEN: self.did_open,
            types.TEXT_DOCUMENT_DID_CHANGE: self.did_change,
            types.TEXT_DOCUMENT_DID_CLOSE: self.did_close,
            types.TEXT_DOCUMENT_DID_SAVE: self.did_save,
            types.TEXT_DOCUMENT_HOVER: self.hover,
            types.TEXT_DOCUMENT_CODE_LENS: self.lenses,
            types.CODE_ACTION_RESOLVE: self.resolve,
            types.WORKSPACE_DID_CHANGE_CONFIGURATION: self.workspace.did_configure,
            types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS: self.workspace.did_change_folders,
            types.WORKSPACE_DID_CHANGE_WATCHED_FILES: self.workspace.did_change_files,
        }
        for name, handler in handlers.items():
            self.server.feature(name)(partial(handler))  # pygls writes attributes, which a method has not
        options = types.CodeActionOptions(list(actions.KINDS), resolve_provider=True)
        self.server.feature(types.TEXT_DOCUMENT_CODE_ACTION, options)(partial(self.actions))
        every = types.FileOperationRegistrationOptions(
            [types.FileOperationFilter(types.FileOperationPattern("**/*"), "file")]
        )
        self.server.feature(types.WORKSPACE_DID_RENAME_FILES, every)(partial(self.workspace.did_rename))
        self.server.feature(types.WORKSPACE_DID_DELETE_FILES, every)(partial(self.workspace.did_delete))
        for name, command in self.commands.table.items():
            self.server.command(name)(partial(command))
        assert isinstance(self.server.protocol, Protocol)
        self.server.protocol.own_commands = dict(self.commands.table)

    # --- coming and going

    def initialize(self, params: types.InitializeParams) -> None:
        """Learn who is there; diagnostics are pulled by who can, and pushed to the others."""
        self.client = client.read(params.capabilities, named=params.client_info is not None)
        self.encoding = Encoding(self.server.workspace.position_encoding or Encoding.UTF16)
        uris = [folder.uri for folder in params.workspace_folders or ()] or [params.root_uri or ""]
        self.projects.folders = tuple(path for uri in uris if (path := path_of(uri)) is not None)
        self.projects.begin(params.initialization_options)
        if params.process_id is not None and is_running(params.process_id):
            task(self._outlive(params.process_id), self._tasks)
        if self.client.pull:
            options = types.DiagnosticOptions(False, False, SECTION)
            self.server.feature(types.TEXT_DOCUMENT_DIAGNOSTIC, options)(partial(self.pull))

    async def _outlive(self, pid: int) -> None:
        """End soon after the editor, should something else hold its end of the pipe open."""
        while is_running(pid):
            await asyncio.sleep(_LIFE)
        os.kill(os.getpid(), signal.SIGTERM)

    async def shutdown(self, _: None) -> None:
        """End every child before saying that all is done."""
        self.was_shut_down = True
        await self.children.close()
        self.analysts.close()

    def end(self) -> None:
        """Whatever the client did: leave nothing behind. Children end by themselves: see Note [Whoever goes first]."""
        self.analysts.close()
        self.pages.close()

    # --- documents

    def did_open(self, params: types.DidOpenTextDocumentParams) -> None:
        """A document is open: look at it at once."""
        item = params.text_document
        self.desk.put(Buffer(item.uri, item.version, item.language_id, Text(item.text), self.encoding), 0)

    def did_change(self, params: types.DidChangeTextDocumentParams) -> None:
        """A document has another text: look at it when it rests."""
        page = self.desk.page(params.text_document.uri)
        if page is not None:
            buffer = page.buffer.changed(params.text_document.version, params.content_changes)
            self.desk.put(buffer, self._debounce(page))

    def did_close(self, params: types.DidCloseTextDocumentParams) -> None:
        """A document is closed: nothing more is said about it."""
        page = self.desk.close(params.text_document.uri)
        if page is not None and not self.client.pull and page.buffer.is_python:
            self.publish(page.buffer.uri, None, [])

    def did_save(self, _: types.DidSaveTextDocumentParams) -> None:
        """What a file imports may differ now, which matters to the others."""
        self.workspace.files_changed()

    def _debounce(self, page: Page) -> float:
        return self.projects.holding(page.buffer.path).settings.debounce / 1000

    # --- diagnostics

    async def show(self, page: Page) -> None:
        """Push what is known of a page, or let the client know that there is something to pull."""
        self.complain()
        for problem in page.look.analysis.problems if page.look is not None else ():
            if problem.rule == "FIP904":
                self.log(f"{problem.path}: {problem.message}")
        if not self.client.pull and page.buffer.is_python:
            self.publish(page.buffer.uri, page.buffer.version, diagnostics.diagnostics(page, self.pages))

    @contextlib.asynccontextmanager
    async def looking(self, buffer: Buffer) -> AsyncIterator[None]:
        """Let the user know that a document is still being looked at."""
        what = f"{buffer.name}, {len(buffer.part.starts):,} lines"
        self.log(f"still looking at {what}")
        title, create = f"fixinplace: looking at {what}", self.client.progress
        async with reported(self.server.work_done_progress, title, None, create=create, cancellable=False):
            yield

    async def reshow(self, page: Page) -> None:
        """The same after something else than the text has changed."""
        await self.desk.current(page.buffer.uri)
        if page.fresh is not None:
            await self.show(page)
        self.refresh()
        if self.client.lens_refresh:
            self.server.workspace_code_lens_refresh(None)

    def renewed(self) -> None:
        """Settings or configuration differ: look at everything again, and say what is wrong with them."""
        self.projects.forget()
        self.desk.again()
        self.complain()
        self.refresh()

    def refresh(self) -> None:
        """Let a client that pulls diagnostics know that there are others; what it answers does not matter."""
        if self.client.pull and self.client.refresh:
            self.server.workspace_diagnostic_refresh(None)

    def publish(self, uri: str, version: int | None, found: list[types.Diagnostic]) -> None:
        """Push diagnostics, which replace those that a document has had."""
        self.server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, found, version))

    async def pull(self, params: types.DocumentDiagnosticParams) -> types.RelatedFullDocumentDiagnosticReport:
        """The diagnostics of the newest text, once it rests."""
        page = self.desk.page(params.text_document.uri)
        delay = self._debounce(page) if page is not None else 0
        page = await self.desk.current(params.text_document.uri, delay)
        found = diagnostics.diagnostics(page, self.pages) if page is not None else []
        return types.RelatedFullDocumentDiagnosticReport(found)

    # --- what a client asks

    async def actions(self, params: types.CodeActionParams) -> list[types.CodeAction] | None:
        """Actions for the newest text."""
        page = await self.desk.current(params.text_document.uri)
        if page is None or not (page.buffer.is_python or params.range.start != params.range.end):
            return None
        offer = actions.Offer(page.frozen(), params.range, params.context.only or (), self.pages)
        found = [await self._complete(action, offer.page) for action in actions.actions(offer)]
        return [action for action in found if action is not None] if page.buffer is offer.buffer else None

    async def _complete(self, action: types.CodeAction, page: Page) -> types.CodeAction | None:
        """The action with its edit for a client that cannot ask for it later; None if there is nothing to offer."""
        if self.client.lazy or action.command is not None:
            return action
        with contextlib.suppress(NoEdit):
            return await self.analysts.ask(resolved, action, page, self.client)
        return None

    async def resolve(self, action: types.CodeAction) -> types.CodeAction:
        """The edit of an action, if the text is still the one that it was offered for."""
        data = action.data
        if action.edit is not None or not isinstance(data, dict) or "uri" not in data:
            return action
        page = await self.desk.current(str(data["uri"]))
        try:
            if page is None:
                raise NoEdit("the document is not open", stale=True)
            frozen = page.frozen()
            found = await self.analysts.ask(resolved, action, frozen, self.client)
            if page.buffer is not frozen.buffer:
                raise NoEdit("the text has changed meanwhile: ask again", stale=True)
        except NoEdit as error:
            raise (ContentModified if error.stale else RequestFailed)(str(error)) from error
        return found

    async def hover(self, params: types.HoverParams) -> types.Hover | None:
        """What is known about the finding at a position."""
        page = await self.desk.current(params.text_document.uri)
        return hover.hover(page, params.position, self.client) if page is not None else None

    async def lenses(self, params: types.CodeLensParams) -> list[types.CodeLens]:
        """What was proved."""
        page = self.desk.page(params.text_document.uri)
        return hover.lenses(page) if page is not None else []

    # --- what is told

    def complain(self) -> None:
        """Tell what is wrong with settings and configuration, all of it together, and each once."""
        if self.projects.problems:
            self.tell(f"fixinplace: {'; '.join(self.projects.problems)}", warning=True)
            self.projects.problems.clear()

    def tell(self, message: str, *, warning: bool = False) -> None:
        """A message that the user sees."""
        kind = types.MessageType.Warning if warning else types.MessageType.Info
        self.server.window_show_message(types.ShowMessageParams(kind, message))

    def log(self, message: str) -> None:
        """A message for who looks for it."""
        self.server.window_log_message(types.LogMessageParams(types.MessageType.Info, message))

    def root(self, path: Path | None) -> Path:
        """The folder in which commands run for a file."""
        return self.projects.folder(path)
