"""What a client announces to the server."""

from __future__ import annotations

import copy
from typing import Any

Json = dict[str, Any]

FULL: Json = {
    "workspace": {
        "applyEdit": True,
        "workspaceEdit": {"documentChanges": True},
        "didChangeConfiguration": {"dynamicRegistration": True},
        "didChangeWatchedFiles": {"dynamicRegistration": True},
        "fileOperations": {"didRename": True, "didDelete": True},
        "codeLens": {"refreshSupport": True},
        "diagnostics": {"refreshSupport": True},
    },
    "textDocument": {
        "codeAction": {"dataSupport": True, "resolveSupport": {"properties": ["edit"]}},
        "hover": {"contentFormat": ["markdown", "plaintext"]},
        "publishDiagnostics": {"relatedInformation": True},
    },
    "window": {"workDoneProgress": True, "showDocument": {"support": True}},
    "general": {"positionEncodings": ["utf-16"]},
}
"""What a capable client announces, with pushed diagnostics."""


def capabilities(*, encoding: str = "utf-16", pull: bool = False, without: tuple[str, ...] = ()) -> Json:
    found = copy.deepcopy(FULL)
    found["general"]["positionEncodings"] = [encoding]
    if pull:
        found["textDocument"]["diagnostic"] = {"dynamicRegistration": False}
    for path in without:
        *way, last = path.split(".")
        place = found
        for word in way:
            place = place[word]
        del place[last]
    return found
