"""Open documents, and the newest analysis of each: one worker, one analysis at a time, old ones dropped."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from fixinplace import files, pipeline
from fixinplace.lsp.buffers import Buffer, key_of
from fixinplace.lsp.page import Look, Page
from fixinplace.lsp.settings import Holding, Projects
from fixinplace.model import Analysis
from fixinplace.source import Source

Json = dict[str, Any]
T = TypeVar("T")

_STACK = 256 << 20
"""Bytes for the worker's stack, of which only what is used is ever taken: generated code nests deeply."""


@dataclass
class Desk:
    """All open documents. `show` is called, in the event loop, with every page that has a new analysis."""

    projects: Projects
    show: Callable[[Page], Awaitable[None]]
    log: Callable[[str], None]
    pages: dict[str, Page] = field(default_factory=dict)
    _worker: ThreadPoolExecutor | None = None
    _generation: int = 0

    def page(self, uri: str) -> Page | None:
        """The page of an open Python document."""
        return self.pages.get(key_of(uri))

    def put(self, buffer: Buffer, delay: float) -> Page | None:
        """A document was opened or changed; it is analysed after `delay` seconds without another change."""
        key = key_of(buffer.uri)
        page = self.pages.get(key)
        if page is None:
            page = self.pages[key] = Page(buffer)
        page.buffer, page.gone = buffer, False
        if page.running is not None:
            page.running.cancel()
        self.schedule(page, delay)
        return page

    def close(self, uri: str) -> Page | None:
        """A document was closed or is gone."""
        page = self.pages.pop(key_of(uri), None)
        for task in (page.waiting, page.running) if page is not None else ():
            if task is not None:
                task.cancel()
        return page

    def again(self, delay: float = 0) -> None:
        """Analyse everything again: settings, configuration or files on the disk have changed."""
        self._generation += 1
        for page in self.pages.values():
            page.old, page.look = page.look or page.old, None
            self.schedule(page, delay)

    def schedule(self, page: Page, delay: float) -> None:
        """Analyse a page later; what was to come before is dropped."""
        if page.waiting is not None:
            page.waiting.cancel()
        page.waiting = asyncio.ensure_future(self._later(page, delay))

    async def _later(self, page: Page, delay: float) -> None:
        await asyncio.sleep(delay)
        page.waiting = None  # from here on a change does not cancel; it makes what comes of this stale
        await self._look(page)
        if page.fresh is not None and page.shown is not page.fresh and self.page(page.buffer.uri) is page:
            page.shown = page.fresh
            await self.show(page)

    async def current(self, uri: str, delay: float = 0) -> Page | None:
        """The page of a document once the text that it has then is analysed; None if it is not open, or closed.

        delay: seconds that a text must have rested before it is looked at.
        """
        while (page := self.page(uri)) is not None and page.fresh is None:
            if delay and page.waiting is not None:
                buffer = page.buffer
                await asyncio.sleep(delay)
                if page.buffer is not buffer:
                    continue
            await self._look(page)
        return page

    async def _look(self, page: Page) -> None:
        """Analyse a page as it is now; who comes while this is going on waits for the same analysis."""
        if page.fresh is not None:
            return
        order = (page.buffer, self._generation)
        if page.busy is None or page.order != order:
            page.order = order
            page.busy = asyncio.ensure_future(self._analysis(page, self._generation))
        await asyncio.shield(page.busy)

    async def _analysis(self, page: Page, generation: int) -> None:
        buffer, holding = page.buffer, self.projects.holding(page.buffer.path)
        refused = self._refusal(page, holding)

        def wanted() -> bool:
            return page.buffer is buffer and self._generation == generation

        loop = asyncio.get_running_loop()
        old = page.old
        look = await loop.run_in_executor(self._pool(), lambda: _analysed(buffer, holding, refused, wanted, old))
        if look is not None and wanted():
            page.look = look
            if look.parsed:
                page.good = look

    async def run(self, work: Callable[[], T]) -> T:
        """Do something in the worker's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool(), work)

    def _refusal(self, page: Page, holding: Holding) -> bool:
        """True if a document is not looked at: not Python, switched off, excluded, or too long, which is said once."""
        buffer = page.buffer
        if (
            not buffer.is_python
            or not holding.settings.enable
            or (buffer.path is not None and holding.config.excludes(buffer.path))
        ):
            return True
        length = len(buffer.raw.text)
        if length <= holding.settings.max_size:
            page.silenced = False
            return False
        if not page.silenced:
            page.silenced = True
            limit = holding.settings.max_size
            self.log(f"{buffer.uri} is not looked at: {length} characters, and `maxSize` allows {limit}")
        return True

    def _pool(self) -> ThreadPoolExecutor:
        if self._worker is None:
            before = threading.stack_size(_STACK)
            self._worker = ThreadPoolExecutor(1, "analysis")
            self._worker.submit(lambda: None).result()  # the thread starts here, with the stack that it needs
            threading.stack_size(before)
        return self._worker


def source_of(buffer: Buffer) -> Source:
    """The source that the pipeline sees; a document without a file has no name that anything could import."""
    path = buffer.path
    return files.of_text(str(path) if path is not None else "-", buffer.part.text, path is not None)


def _analysed(
    buffer: Buffer, holding: Holding, refused: bool, wanted: Callable[[], bool], old: Look | None
) -> Look | None:
    """In the worker: the analysis, or None if nobody wants it any more; an old one if nothing it rests on differs."""
    if not wanted():
        return None
    source = source_of(buffer)
    if old is not None and (old.source, old.holding, old.refused) == (source, holding, refused):
        return replace(old, buffer=buffer)
    analysis = Analysis(source.path) if refused else pipeline.analyse(source, holding.enabled)
    return Look(buffer, holding, source, analysis, refused)
