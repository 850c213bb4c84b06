"""What the user asks for by name: prove and apply, find the culprit, explain; the only things that run code."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from lsprotocol import types

from fixinplace.lsp import actions, edits, hover, pages, proofs, resolving, telling, wire
from fixinplace.lsp.buffers import Buffer
from fixinplace.lsp.children import ChildFailed
from fixinplace.lsp.page import Look, Page
from fixinplace.lsp.progress import Reporter, reported
from fixinplace.lsp.proofs import Proven
from fixinplace.lsp.protocol import Command
from fixinplace.lsp.tracing import Tracing, object_of, show_document
from fixinplace.model import Verdict

if TYPE_CHECKING:
    from fixinplace.lsp.server import Service

Json = dict[str, Any]

_CUT = ("probe-failed", "timed-out", "over-memory")
"""Reasons of runs that came to no end: who asked for a proof gets no fix that is only safe by its text instead."""
_CLOSED = "the document was closed while it was being proved: nothing was applied"
_CHANGED = "the text changed while it was being proved: nothing was applied"


class Commands:
    """The commands of one server."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.table: dict[str, Command] = {
            actions.PROVE: self.prove,
            actions.REPAIR_COMMAND: Tracing(service).repair,
            actions.EXPLAIN: self.explain,
            hover.EVIDENCE: self.evidence,
        }

    # --- prove and apply

    async def prove(self, arguments: list[Any], params: types.ExecuteCommandParams) -> Json:
        """Prove one fix (`wanted`) or all of a document, show what came of it, apply what was asked for and proved."""
        ticket = object_of(arguments, "uri")
        page = await self._service.desk.current(str(ticket.get("uri", "")))
        if page is None or page.fresh is None:
            return self._said("the document is not open", warning=True)
        if "digest" in ticket and resolving.is_stale(ticket, page.buffer):
            return self._said("the text has changed since the action was offered: ask again", warning=True)
        if page.fresh.refused:
            return self._said("the document is not looked at (see `enable`, `exclude`, `maxSize`)", warning=True)
        if not page.fresh.parsed:
            return self._said("the text is not Python as it stands: nothing was run", warning=True)
        buffer, wanted = page.buffer, ticket.get("wanted")
        if wanted is not None and wire.read_key(wanted) not in map(proofs.key_of, page.fresh.analysis.findings):
            return self._said("there is no such fix in this text", warning=True)
        request = self._request(page, page.fresh, wanted)
        token, create = params.work_done_token, self._service.client.progress
        try:
            progress = self._service.server.work_done_progress
            async with reported(progress, "fixinplace: proving", token, create=create) as told:
                answer = await self._asked(page, buffer, request, told)
        except ChildFailed as error:
            return self._said(f"nothing was proved: {error}", warning=True)
        if self._service.desk.page(buffer.uri) is not page:
            return self._said(_CLOSED, warning=True)
        if answer is None or page.buffer is not buffer:
            return self._said(_CHANGED, warning=True)
        proven = wire.read(answer)
        page.proven = proofs.with_earlier(proven, page.proven)
        await self._service.reshow(page)
        return await self._delivered(page, buffer, proven)

    def _request(self, page: Page, look: Look, wanted: Json | None) -> Json:
        """What the child is told: this buffer, then the other open ones, whose texts a run sees as well."""
        others = [p.buffer for p in self._service.desk.pages.values() if p is not page and p.buffer.is_python]
        settings = look.holding.settings
        opened = [_opened(look.buffer), *(_opened(other) for other in others if other.path is not None)]
        return {
            "do": "prove",
            "open": opened,
            "wanted": wanted,
            "enabled": sorted(look.holding.enabled),
            "probe": list(settings.probe),
            "config": str(look.holding.folder / settings.config) if settings.config else "",
            "timeout": settings.timeout,
            "allow_run": settings.allow_run,
        }

    async def _asked(self, page: Page, buffer: Buffer, request: Json, told: Reporter) -> Json | None:
        """The child's answer; None if the text has changed meanwhile, which ends the child."""
        if self._has_passed(page, buffer):  # while the editor took its time to show progress
            return None
        folder = self._service.root(buffer.path)
        page.running = asking = asyncio.ensure_future(self._service.children.ask(request, folder, told))
        try:
            return await asking
        except asyncio.CancelledError:
            if asking.cancelled() and self._has_passed(page, buffer) and not _is_cancelled():
                return None
            raise
        finally:
            page.running = None

    def _has_passed(self, page: Page, buffer: Buffer) -> bool:
        return page.buffer is not buffer or self._service.desk.page(buffer.uri) is not page

    async def _delivered(self, page: Page, buffer: Buffer, proven: Proven) -> Json:
        """Apply what may be applied, and say what came of it."""
        ruling = proven.ruling
        if proven.wanted is None:
            said = telling.everything(buffer.part, proven)
        elif ruling is None:
            said = "nothing is known of it"
        else:
            said = telling.ruling_line(ruling)
        if proven.wanted is not None and proven.wanted not in proven.written:
            return self._said(f"{said}; not applied", proven, warning=True)
        if proven.wanted is not None and not proven.alone():
            lines = telling.where({buffer.part.position(key[1])[0] for key in proven.written})
            return self._said(f"{said}; proved only together with the fixes of {lines}: apply those", proven)
        if not proven.edits:
            return self._said(said, proven)
        if any(proven.rulings[key].reason in _CUT for key in proven.written):
            return self._said(f"{said}; nothing was proved, so nothing was applied", proven, warning=True)
        if not await self._applied(page, buffer, proven):
            return self._said(f"{said}; the editor did not apply it", proven, warning=True)
        return self._said(f"{said}; applied", proven, applied=True)

    async def _applied(self, page: Page, buffer: Buffer, proven: Proven) -> bool:
        """Have the client apply the edits to the very version that was proved."""
        client = self._service.client
        if not client.apply or self._has_passed(page, buffer):
            return False
        edit = edits.workspace_edit(buffer, proven.edits, versioned=client.versioned)
        proved = [r for r in proven.rulings.values() if r.verdict is Verdict.PROVED]
        label = "fixinplace: proved" if proved else "fixinplace: safe"
        answer = await self._service.server.workspace_apply_edit_async(types.ApplyWorkspaceEditParams(edit, label))
        return answer.applied

    def _said(self, text: str, proven: Proven | None = None, *, warning: bool = False, applied: bool = False) -> Json:
        self._service.tell(f"fixinplace: {text}", warning=warning)
        ruling = proven.ruling if proven is not None else None
        return {"message": text, "applied": applied, "verdict": ruling.verdict.value if ruling is not None else None}

    # --- explain

    async def explain(self, arguments: list[Any], _: types.ExecuteCommandParams) -> str | None:
        """The page of a rule: in a document if the editor can show one, else in a message."""
        rule = pages.rule_of(arguments[0]) if arguments else None
        if rule is None:
            self._service.tell("fixinplace: there is no such rule", warning=True)
            return None
        if not await show_document(self._service, self._service.pages.path(rule), 1):
            self._service.tell(pages.short(rule))
        return pages.text(rule)

    async def evidence(self, arguments: list[Any], _: types.ExecuteCommandParams) -> None:
        """What a proof rests on, which is what the lens carries."""
        if arguments and isinstance(arguments[0], str):
            self._service.tell(f"fixinplace: {arguments[0]}")


def _opened(buffer: Buffer) -> Json:
    path = buffer.path
    return {"path": str(path) if path is not None else "-", "text": buffer.part.text, "on_disk": path is not None}


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
