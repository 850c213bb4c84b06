"""Find the culprit: a script runs under the tracer, because the user said so, and what it told is shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lsprotocol import types

from fixinplace import files
from fixinplace.lsp import culprits
from fixinplace.lsp.buffers import Buffer
from fixinplace.lsp.children import ChildFailed
from fixinplace.lsp.culprits import Culprit, Trace
from fixinplace.lsp.progress import reported
from fixinplace.source import Source

if TYPE_CHECKING:
    from fixinplace.lsp.server import Service

Json = dict[str, Any]


class Tracing:
    """The command `fixinplace.repair` of one server."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def repair(self, arguments: list[Any], params: types.ExecuteCommandParams) -> Json:
        """Run a script under the tracer as `repair --explain` does, and show who wrote, who saved and who needed."""
        asked = object_of(arguments, "script")
        script = asked.get("script") or culprits.script_of(str(asked.get("traceback", "")))
        if not script and not asked.get("module"):
            return self._told("name a script, or give a traceback that says which one ran", warning=True)
        path, folder = self._located(str(script or ""), asked)
        if script and not path.is_file():
            return self._told(f"there is no file {path}", warning=True)
        dirty = [p.buffer.path for p in self._service.desk.pages.values() if _is_dirty(p.buffer)]
        if dirty:
            names = ", ".join(sorted(each.name for each in dirty if each is not None))
            return self._told(f"save {names} first: a script runs as it is on the disk", warning=True)
        settings = self._service.projects.holding(path).settings
        words = [*([str(path)] if script else []), *map(str, asked.get("arguments") or ())]
        request = {"do": "repair", "module": asked.get("module"), "words": words, "allow_run": settings.allow_run}
        request["timeout"] = settings.timeout
        token, create = params.work_done_token, self._service.client.progress
        try:
            progress = self._service.server.work_done_progress
            async with reported(progress, "fixinplace: running the script", token, create=create) as told:
                document = await self._service.children.ask(request, folder, told)
        except ChildFailed as error:
            return self._told(f"no culprit found: {error}", warning=True)
        found = culprits.read(document, folder)
        await self._traced(found)
        self._service.tell(f"fixinplace: {culprits.summary(document, found)}", warning=bool(found))
        return {"message": culprits.summary(document, found), "document": document}

    def _located(self, script: str, asked: Json) -> tuple[Path, Path]:
        """A script's path, and the folder that it runs in: the one that is asked for, or that of the workspace."""
        homes = [folder / script for folder in self._service.projects.folders]
        path = Path(script) if Path(script).is_absolute() else next((p for p in homes if p.is_file()), Path(script))
        folder = asked.get("cwd")
        return path.absolute(), Path(str(folder)) if folder else self._service.root(path.absolute())

    async def _traced(self, found: list[Culprit]) -> None:
        """Show culprits where they are: in open documents; others are opened at the first one's line."""
        opened = {page.buffer.path: page for page in self._service.desk.pages.values()}
        for path, here in culprits.by_file(found).items():
            page = opened.get(path)
            if page is not None:
                await self._service.desk.current(page.buffer.uri)
                page.trace = Trace(page.buffer.part.text, here)
                await self._service.reshow(page)
        if found and found[0].spot.path not in opened:
            await show_document(self._service, found[0].spot.path, found[0].spot.line)

    def _told(self, text: str, *, warning: bool = False) -> Json:
        self._service.tell(f"fixinplace: {text}", warning=warning)
        return {"message": text}


async def show_document(service: Service, path: Path, line: int) -> bool:
    """Have the editor open a file at a line; False if it does not."""
    if not service.client.show_document:
        return False
    place = types.Position(line - 1, 0)
    shown = types.ShowDocumentParams(path.as_uri(), take_focus=True, selection=types.Range(place, place))
    return (await service.server.window_show_document_async(shown)).success


def object_of(arguments: list[Any], short: str) -> Json:
    """The one argument of a command: an object, or a bare string for its most important field."""
    first = arguments[0] if arguments else {}
    return first if isinstance(first, dict) else {short: first}


def _is_dirty(buffer: Buffer) -> bool:
    """True if the disk has another text than the editor."""
    if buffer.path is None or not buffer.is_python:
        return False
    saved = files.read(str(buffer.path))
    return not isinstance(saved, Source) or saved.part.text != buffer.part.text
