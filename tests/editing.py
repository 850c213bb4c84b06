"""An editor without a screen: a scripted client that speaks JSON-RPC over the pipes of a real `fixinplace lsp`."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from announcing import FULL

Json = dict[str, Any]
PATIENCE = 90.0


class Answer(Exception):
    """An error response."""

    def __init__(self, error: Json) -> None:
        super().__init__(error["message"])
        self.code = error["code"]


class Editor:
    """Keeps the texts as an editor does, applies the edits that it is sent, and refuses those of another version."""

    def __init__(self, root: Path | None = None, **more: Any) -> None:
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fixinplace", "lsp"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        self.received: list[Json] = []
        self.texts: dict[str, str] = {}
        self.versions: dict[str, int] = {}
        self.applied: list[Json] = []
        self.refuse_edits = False
        self.settings: Json | None = None
        self.encoding = "utf-16"
        self._incoming: queue.Queue[Json | None] = queue.Queue()
        self._number = 0
        threading.Thread(target=self._read, daemon=True).start()
        self.initialize(root, **more)

    # --- the wire

    def _read(self) -> None:
        stream = self.process.stdout
        assert stream is not None
        while header := stream.readline():
            length = 0
            while header.strip():
                name, _, value = header.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
                header = stream.readline()
            self._incoming.put(json.loads(stream.read(length)))
        self._incoming.put(None)

    def send(self, message: Json) -> None:
        data = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(data) + data)
        self.process.stdin.flush()

    def notify(self, method: str, params: Any) -> None:
        self.send({"method": method, "params": params})

    def ask(self, method: str, params: Any = None) -> int:
        self._number += 1
        self.send({"id": self._number, "method": method, "params": params})
        return self._number

    def answer(self, number: int, seconds: float = PATIENCE) -> Any:
        message = self.wait(lambda m: m.get("id") == number and "method" not in m, seconds)
        if "error" in message:
            raise Answer(message["error"])
        return message.get("result")

    def request(self, method: str, params: Any = None) -> Any:
        return self.answer(self.ask(method, params))

    def wait(self, wanted: Callable[[Json], bool], seconds: float = PATIENCE, since: int = 0) -> Json:
        """The first message, from number `since` on, that is wanted; requests of the server are answered meanwhile."""
        deadline, seen = time.monotonic() + seconds, since
        while True:
            while seen < len(self.received):
                if wanted(self.received[seen]):
                    return self.received[seen]
                seen += 1
            self._take(deadline - time.monotonic())

    def _take(self, seconds: float) -> None:
        try:
            message = self._incoming.get(timeout=max(seconds, 0.001))
        except queue.Empty:
            raise TimeoutError(f"nothing of the kind came; last: {self.received[-3:]}") from None
        if message is None:
            raise EOFError("the server is gone")
        self.received.append(message)
        if "method" in message and "id" in message:
            self.send({"id": message["id"], "result": self._serve(message["method"], message.get("params"))})

    def pump(self, seconds: float) -> None:
        """Take what comes for some time."""
        deadline = time.monotonic() + seconds
        with contextlib.suppress(TimeoutError):
            while True:
                self._take(deadline - time.monotonic())

    def _serve(self, method: str, params: Any) -> Any:
        if method == "workspace/applyEdit":
            if self.refuse_edits or not self.apply(params["edit"]):
                return {"applied": False}
            return {"applied": True}
        if method == "workspace/configuration":
            return [self.settings for _ in params["items"]]
        if method == "window/showDocument":
            return {"success": True}
        return None

    # --- coming and going

    def initialize(
        self,
        root: Path | None,
        folders: tuple[Path, ...] = (),
        options: Json | None = None,
        capabilities: Json | None = None,
        process: int | None = None,
        named: bool = True,
    ) -> None:
        roots = folders or ((root,) if root is not None else ())
        given = capabilities if capabilities is not None else FULL
        result = self.request(
            "initialize",
            {
                "processId": process or os.getpid(),
                **({"clientInfo": {"name": "scripted"}} if named else {}),
                "rootUri": roots[0].as_uri() if roots else None,
                "workspaceFolders": [{"uri": each.as_uri(), "name": each.name} for each in roots],
                "initializationOptions": options,
                "capabilities": given,
            },
        )
        self.server = result["capabilities"]
        self.encoding = self.server.get("positionEncoding", "utf-16")
        self.notify("initialized", {})

    def close(self) -> int:
        """Shut the server down as the protocol has it; its exit code."""
        self.request("shutdown")
        self.send({"method": "exit"})
        assert self.process.stdin is not None
        code = self.process.wait(20)
        self.process.stdin.close()
        return code

    def leave(self) -> None:
        """Go without much ado, and see to it that the server goes too."""
        if self.process.poll() is None:
            with contextlib.suppress(OSError, ValueError, subprocess.TimeoutExpired):
                self.send({"method": "exit"})
                self.process.wait(10)
        self.kill()

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    # --- documents

    def open(self, where: Path | str, text: str | None = None, language: str = "python", version: int = 1) -> str:
        uri = where if isinstance(where, str) else where.as_uri()
        if text is None:
            assert isinstance(where, Path)
            text = where.read_bytes().decode()
        self.texts[uri], self.versions[uri] = text, version
        item = {"uri": uri, "languageId": language, "version": version, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})
        return uri

    def change(self, uri: str, text: str) -> None:
        """The whole text anew."""
        self._changed(uri, text, [{"text": text}])

    def replace(self, uri: str, old: str, new: str) -> None:
        """One incremental change: the only `old` becomes `new`."""
        text = self.texts[uri]
        assert text.count(old) == 1, text.count(old)
        start = text.index(old)
        where = {"start": self.position(uri, start), "end": self.position(uri, start + len(old))}
        self._changed(uri, text[:start] + new + text[start + len(old) :], [{"range": where, "text": new}])

    def _changed(self, uri: str, text: str, changes: list[Json]) -> None:
        self.texts[uri] = text
        self.versions[uri] += 1
        document = {"uri": uri, "version": self.versions[uri]}
        self.notify("textDocument/didChange", {"textDocument": document, "contentChanges": changes})

    def shut(self, uri: str) -> None:
        self.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
        del self.texts[uri], self.versions[uri]

    # --- positions: an independent implementation, by encoding and slicing

    def _rows(self, uri: str) -> list[str]:
        rows, row = [], ""
        text = self.texts[uri]
        for index, char in enumerate(text):
            row += char
            if char == "\n" or (char == "\r" and text[index + 1 : index + 2] != "\n"):
                rows.append(row)
                row = ""
        return [*rows, row]

    def position(self, uri: str, offset: int) -> Json:
        line, start = 0, 0
        for row in self._rows(uri):
            if offset < start + len(row) or start + len(row) == len(self.texts[uri]):
                break
            start, line = start + len(row), line + 1
        return {"line": line, "character": self._units(self.texts[uri][start:offset])}

    def _units(self, text: str) -> int:
        size = {"utf-8": 1, "utf-16": 2, "utf-32": 4}[self.encoding]
        return len(text.encode(self._codec, "surrogatepass")) // size

    @property
    def _codec(self) -> str:
        return self.encoding if self.encoding == "utf-8" else f"{self.encoding}-le"

    def offset(self, uri: str, place: Json) -> int:
        rows = self._rows(uri)
        size = {"utf-8": 1, "utf-16": 2, "utf-32": 4}[self.encoding]
        row = rows[place["line"]].rstrip("\r\n").encode(self._codec, "surrogatepass")
        assert place["character"] * size <= len(row), "behind the end of its line"
        column = len(row[: place["character"] * size].decode(self._codec, "surrogatepass"))
        return sum(map(len, rows[: place["line"]])) + column

    def at(self, uri: str, where: Json) -> str:
        """The text of a range."""
        return self.texts[uri][self.offset(uri, where["start"]) : self.offset(uri, where["end"])]

    def spot(self, uri: str, needle: str) -> Json:
        """An empty range at the only place of a text."""
        assert self.texts[uri].count(needle) == 1
        place = self.position(uri, self.texts[uri].index(needle))
        return {"start": place, "end": place}

    # --- edits

    def apply(self, edit: Json) -> bool:
        """Apply a workspace edit, and tell the server; False (and nothing done) if it is for another version."""
        documents = edit.get("documentChanges") or [
            {"textDocument": {"uri": uri, "version": None}, "edits": edits} for uri, edits in edit["changes"].items()
        ]
        if any(d["textDocument"]["version"] not in (None, self.versions[d["textDocument"]["uri"]]) for d in documents):
            return False
        for document in documents:
            uri = document["textDocument"]["uri"]
            self._changed_by(uri, document["edits"])
        self.applied.append(edit)
        return True

    def _changed_by(self, uri: str, edits: list[Json]) -> None:
        text = self.texts[uri]
        spans = sorted(
            (self.offset(uri, e["range"]["start"]), self.offset(uri, e["range"]["end"]), e["newText"]) for e in edits
        )
        for (_, end, _), (start, _, _) in itertools.pairwise(spans):
            assert end <= start, "overlapping edits"
        for start, end, new in reversed(spans):
            text = text[:start] + new + text[end:]
        self.change(uri, text)

    # --- what is asked often

    def diagnostics(self, uri: str, version: int | None = None) -> list[Json]:
        """What is pushed for the newest version, or for that one."""
        wanted = self.versions[uri] if version is None else version
        message = self.wait(
            lambda m: (
                m.get("method") == "textDocument/publishDiagnostics"
                and m["params"]["uri"] == uri
                and m["params"].get("version") == wanted
            )
        )
        found: list[Json] = message["params"]["diagnostics"]
        return found

    def emptied(self, uri: str, since: int = 0) -> None:
        """Wait until a document that is closed or gone has no diagnostics any more."""
        self.wait(
            lambda m: (
                m.get("method") == "textDocument/publishDiagnostics"
                and m["params"]["uri"] == uri
                and m["params"].get("version") is None
                and m["params"]["diagnostics"] == []
            ),
            since=since,
        )

    def last(self, uri: str) -> list[Json] | None:
        """What was pushed last, of any version."""
        pushed = [
            m["params"]["diagnostics"]
            for m in self.received
            if m.get("method") == "textDocument/publishDiagnostics" and m["params"]["uri"] == uri
        ]
        return pushed[-1] if pushed else None

    def pull(self, uri: str) -> list[Json]:
        found: list[Json] = self.request("textDocument/diagnostic", {"textDocument": {"uri": uri}})["items"]
        return found

    def actions(self, uri: str, where: Json, only: list[str] | None = None) -> list[Json]:
        context: Json = {"diagnostics": [], **({"only": only} if only is not None else {})}
        params = {"textDocument": {"uri": uri}, "range": where, "context": context}
        return self.request("textDocument/codeAction", params) or []

    def action(self, uri: str, where: Json, beginning: str, only: list[str] | None = None) -> Json:
        found = [a for a in self.actions(uri, where, only) if a["title"].startswith(beginning)]
        assert len(found) == 1, [a["title"] for a in self.actions(uri, where, only)]
        return found[0]

    def resolve(self, action: Json) -> Json:
        found: Json = self.request("codeAction/resolve", action)
        return found

    def do(self, uri: str, where: Json, beginning: str, only: list[str] | None = None) -> Any:
        """Choose an action as a user does."""
        action = self.action(uri, where, beginning, only)
        if "command" in action:
            return self.command(action["command"]["command"], *action["command"]["arguments"])
        if "edit" not in action:
            action = self.resolve(action)
        assert self.apply(action["edit"])
        return None

    def command(self, name: str, *arguments: Any) -> Any:
        return self.request("workspace/executeCommand", {"command": name, "arguments": list(arguments)})

    def said(self) -> list[str]:
        """Messages that the user saw."""
        return [m["params"]["message"] for m in self.received if m.get("method") == "window/showMessage"]

    def logged(self) -> list[str]:
        return [m["params"]["message"] for m in self.received if m.get("method") == "window/logMessage"]


@contextlib.contextmanager
def editor(root: Path | None = None, **more: Any) -> Iterator[Editor]:
    found = Editor(root, **more)
    try:
        yield found
    finally:
        found.leave()
