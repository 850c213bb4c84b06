"""Open documents, and the newest analysis of each: made beside the server, and ended when the text has passed."""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass, field, replace
from typing import Protocol

from fixinplace import files, pipeline
from fixinplace.lsp.analysts import Analysts, Lost
from fixinplace.lsp.buffers import Buffer, key_of
from fixinplace.lsp.page import Look, Page
from fixinplace.lsp.settings import Holding, Projects
from fixinplace.model import Analysis, Problem
from fixinplace.source import Source

_LONG = 1.0
"""Seconds after which the user is told that an analysis goes on."""
_MOST = max(2, os.cpu_count() or 2)
"""Analyses at a time: a long one leaves room for another document's."""


class Host(Protocol):
    """Who has the desk."""

    async def show(self, page: Page) -> None:
        """A page has a new analysis."""

    def looking(self, buffer: Buffer) -> contextlib.AbstractAsyncContextManager[object]:
        """Entered while an analysis takes long."""

    def renewed(self) -> None:
        """A configuration file was found to differ."""

    def log(self, message: str) -> None:
        """A message for who looks for it."""


@dataclass
class Desk:
    """All open documents; the host hears of what becomes of them, in the event loop."""

    projects: Projects
    analysts: Analysts
    host: Host
    pages: dict[str, Page] = field(default_factory=dict)
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_MOST))
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
        for task in (page.running, page.busy):
            if task is not None:
                task.cancel()
        page.busy = None
        self.schedule(page, delay)
        return page

    def close(self, uri: str) -> Page | None:
        """A document was closed or is gone."""
        page = self.pages.pop(key_of(uri), None)
        for task in (page.waiting, page.running, page.busy) if page is not None else ():
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
            await self.host.show(page)

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
        if page.busy is None or page.busy.done() or page.order != order:
            if page.busy is not None:
                page.busy.cancel()
            page.order = order
            page.busy = asyncio.ensure_future(self._analysis(page, self._generation))
        busy = page.busy
        await asyncio.wait({busy})  # not the task itself: what ends it does not end who waits
        if not busy.cancelled():
            busy.result()

    async def _analysis(self, page: Page, generation: int) -> None:
        """One analysis, which another text ends (see `put`); one that is over while the desk turned is dropped."""
        buffer = page.buffer
        if self.projects.refreshed(buffer.path):
            self.host.renewed()
            generation = self._generation
            page.order = (buffer, generation)
        holding = self.projects.holding(buffer.path)
        refused = self._refusal(page, holding)
        look = await self._seen(buffer, holding, refused=refused, old=page.old)
        if page.buffer is buffer and self._generation == generation:
            page.look = look
            if look.parsed:
                page.good = look

    async def _seen(self, buffer: Buffer, holding: Holding, *, refused: bool, old: Look | None) -> Look:
        """What a buffer holds; an old analysis if nothing that it rests on differs."""
        source = await asyncio.to_thread(source_of, buffer)
        if old is not None and (old.source, old.holding, old.refused) == (source, holding, refused):
            return replace(old, buffer=buffer)
        if refused:
            return Look(buffer, holding, source, Analysis(source.path), refused)
        async with self._slots:
            return Look(buffer, holding, source, await self._analysed(buffer, source, holding))

    async def _analysed(self, buffer: Buffer, source: Source, holding: Holding) -> Analysis:
        task = asyncio.ensure_future(self.analysts.ask(pipeline.analyse, source, holding.enabled))
        try:
            if not (await asyncio.wait({task}, timeout=_LONG))[0]:
                async with self.host.looking(buffer):
                    await asyncio.wait({task})
            return task.result()
        except Lost as error:
            return Analysis(source.path, problems=(Problem("FIP904", source.path, f"{error}"),))
        finally:
            task.cancel()

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
            self.host.log(f"{buffer.uri} is not looked at: {length} characters, and `maxSize` allows {limit}")
        return True


def source_of(buffer: Buffer) -> Source:
    """The source that the pipeline sees; a document without a file has no name that anything could import."""
    path = buffer.path
    return files.of_text(str(path) if path is not None else "-", buffer.part.text, path is not None)
