"""Settings, folders and files: what a client tells of the world around the documents."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from fixinplace import files
from fixinplace.lsp.buffers import path_of
from fixinplace.lsp.protocol import task
from fixinplace.lsp.settings import SECTION

if TYPE_CHECKING:
    from fixinplace.lsp.server import Service

_EVERY = 1.0
"""Seconds between looks at configuration files."""
_SETTLE = 0.3
"""Seconds after files changed on the disk: a branch switch tells of many, one after the other."""


class Workspace:
    """The workspace of one server."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._tasks: set[asyncio.Future[None]] = set()

    def initialized(self, _: types.InitializedParams) -> None:
        """Ask to be told of configuration files and settings."""
        wanted = []
        if self._service.client.watch:
            globs = [types.FileSystemWatcher(glob) for glob in ("**/pyproject.toml", "**/*.py")]
            options = types.DidChangeWatchedFilesRegistrationOptions(globs)
            wanted.append(types.Registration("files", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, options))
        else:
            task(self._watch(), self._tasks)
        if self._service.client.reconfigure:
            section = types.DidChangeConfigurationRegistrationOptions(SECTION)
            wanted.append(types.Registration("settings", types.WORKSPACE_DID_CHANGE_CONFIGURATION, section))
        if wanted:
            task(self._register(wanted), self._tasks)
        if self._service.client.configuration:
            task(self._configure(), self._tasks)
        self._service.complain()

    async def _watch(self) -> None:
        """Look at the configuration files of open documents, for an editor that does not."""
        while True:
            await asyncio.sleep(_EVERY)
            paths = {page.buffer.path for page in self._service.desk.pages.values()}
            if [path for path in paths if self._service.projects.refreshed(path)]:
                self._service.renewed()

    async def _register(self, wanted: Sequence[types.Registration]) -> None:
        try:
            await self._service.server.client_register_capability_async(types.RegistrationParams(list(wanted)))
        except JsonRpcException as error:
            self._service.log(f"the client does not take registrations: {error}")

    def did_configure(self, params: types.DidChangeConfigurationParams) -> None:
        """Settings have changed; some clients send them, others are asked."""
        if self._service.client.configuration and not params.settings:
            task(self._configure(), self._tasks)
        else:
            self._service.projects.take(params.settings)
            self._service.renewed()

    async def _configure(self) -> None:
        """Ask for the settings of every folder."""
        folders = list(self._service.projects.folders)
        items = [types.ConfigurationItem(None, SECTION)]
        items += [types.ConfigurationItem(folder.as_uri(), SECTION) for folder in folders]
        try:
            answers = await self._service.server.workspace_configuration_async(types.ConfigurationParams(items))
        except JsonRpcException as error:
            self._service.log(f"the client does not tell its settings: {error}")
            return
        own, *others = answers or [None]
        if self._service.projects.take_all(own, dict(zip(folders, others, strict=False))):
            self._service.renewed()
        self._service.complain()

    def did_change_folders(self, params: types.DidChangeWorkspaceFoldersParams) -> None:
        """Folders came or went."""
        gone = {path_of(folder.uri) for folder in params.event.removed}
        came = [path for folder in params.event.added if (path := path_of(folder.uri)) is not None]
        kept = [folder for folder in self._service.projects.folders if folder not in gone]
        self._service.projects.folders = tuple(dict.fromkeys([*kept, *came]))
        self._service.renewed()

    def did_change_files(self, params: types.DidChangeWatchedFilesParams) -> None:
        """Files changed on the disk, or somebody removed them."""
        for change in params.changes:
            page = self._service.desk.page(change.uri)
            if page is not None and page.gone and change.type != types.FileChangeType.Deleted:
                page.gone, page.shown = False, None
        self._remove([change.uri for change in params.changes if change.type == types.FileChangeType.Deleted])
        self.files_changed()

    def did_rename(self, params: types.RenameFilesParams) -> None:
        """Files have other names; the client opens them again under those."""
        self._remove([each.old_uri for each in params.files])
        self.files_changed()

    def did_delete(self, params: types.DeleteFilesParams) -> None:
        """Files or folders are gone."""
        self._remove([each.uri for each in params.files])
        self.files_changed()

    def _remove(self, uris: Sequence[str]) -> None:
        """Say nothing more about documents that are, or lie below, what was removed."""
        gone = [path for uri in uris if (path := path_of(uri)) is not None]
        for page in self._service.desk.pages.values():
            if page.buffer.path is not None and any(page.buffer.path.is_relative_to(path) for path in gone):
                page.gone = True
                if not self._service.client.pull:
                    self._service.publish(page.buffer.uri, None, [])

    def files_changed(self) -> None:
        """Files on the disk are not what they were: what was read of them counts no more."""
        files.forget()
        self._service.projects.forget()
        self._service.desk.again(_SETTLE)
        self._service.refresh()
