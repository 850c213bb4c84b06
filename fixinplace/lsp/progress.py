"""Work-done progress around something that takes time and can be cancelled from the editor."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.progress import Progress


@dataclass(slots=True)
class Reporter:
    """Tells the editor what is going on; silent where it cannot show progress."""

    progress: Progress | None
    token: types.ProgressToken

    def __call__(self, message: str) -> None:
        """What is going on."""
        if self.progress is not None:
            self.progress.report(self.token, types.WorkDoneProgressReport(message=message))


@contextlib.asynccontextmanager
async def reported(
    progress: Progress, title: str, own: types.ProgressToken | None, *, create: bool, cancellable: bool = True
) -> AsyncIterator[Reporter]:
    """Progress under the token of the request, or under a new one if the client takes those.

    What the user cancels raises CancelledError in the block.
    """
    token = own if own is not None else str(uuid.uuid4())
    if own is None and create:
        try:
            await asyncio.wait_for(progress.create_async(token), 5)
        except (JsonRpcException, TimeoutError):
            create = False
    if own is None and not create:
        yield Reporter(None, token)
        return
    progress.begin(token, types.WorkDoneProgressBegin(title=title, cancellable=cancellable))
    here = asyncio.current_task()
    progress.tokens[token].add_done_callback(lambda future: here.cancel() if here and future.cancelled() else None)
    message = "done"
    try:
        yield Reporter(progress, token)
    except BaseException as error:
        message = "cancelled" if isinstance(error, asyncio.CancelledError) else "failed"
        raise
    finally:
        progress.tokens.pop(token, None)
        progress.end(token, types.WorkDoneProgressEnd(message=message))
