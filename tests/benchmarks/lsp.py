"""How fast an editor hears of a change: `fixinplace lsp` and `ruff server` on the same file, in turn, in one run.

    python tests/benchmarks/lsp.py [--lines N] [--starts N] [--changes N]

Milliseconds, wall clock, median and 95th percentile: from the start of the process to the answer to `initialize` and to
the first diagnostics, and from a change of one character to the diagnostics of that version. Our debounce is reported
apart, since it is waited for by choice: `debounce 0` is what the analysis takes. On a busy machine the ratios move less
than the milliseconds.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BLOCK = '''

class Block{number}(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x, skip=None):
        h = self.norm(self.linear(x))
        gate = torch.sigmoid(h)
        {write}
        if skip is not None:
            h = h + skip
        for _ in range(2):
            h = h * gate
        return h * self.scale


def loss{number}(scores, target, eps=1e-8):
    """Mean negative log likelihood, and nothing that is written in place."""
    scores = scores.clamp(min=eps).log()
    picked = scores.gather(1, target[:, None]).squeeze(1)
    return -picked.mean()
'''


def program(lines: int) -> str:
    """A torch module of about so many lines; every fifth class writes in place, and one import is unused."""
    text, number = "import os\n\nimport torch\nfrom torch import nn\n", 0
    while text.count("\n") < lines:
        write = "h += x" if number % 5 == 0 else "h = h + x"
        text, number = text + BLOCK.format(number=number, write=write), number + 1
    return text


class Client:
    """One server, and just enough of the protocol."""

    def __init__(self, command: list[str], options: dict[str, Any]) -> None:
        self.started = time.perf_counter()
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
        )
        capabilities = {"textDocument": {"publishDiagnostics": {"versionSupport": True}}}
        params = {"processId": None, "rootUri": None, "capabilities": capabilities, "initializationOptions": options}
        self.send({"id": 1, "method": "initialize", "params": params})
        self.wait(lambda message: message.get("id") == 1)
        self.initialized = time.perf_counter() - self.started
        self.send({"method": "initialized", "params": {}})

    def send(self, message: dict[str, Any]) -> None:
        """Send one message."""
        data = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(data) + data)
        self.process.stdin.flush()

    def wait(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next message that is wanted."""
        assert self.process.stdout is not None
        while True:
            length = 0
            while (header := self.process.stdout.readline().strip()) != b"":
                name, _, value = header.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            message: dict[str, Any] = json.loads(self.process.stdout.read(length))
            if wanted(message):
                return message

    def diagnostics(self, version: int) -> int:
        """Wait for the diagnostics of a version; how many there are."""
        found = self.wait(
            lambda message: (
                message.get("method") == "textDocument/publishDiagnostics"
                and message["params"].get("version") == version
            )
        )
        return len(found["params"]["diagnostics"])

    def open(self, uri: str, text: str) -> float:
        """Seconds from the start of the process to the first diagnostics."""
        item = {"uri": uri, "languageId": "python", "version": 1, "text": text}
        self.send({"method": "textDocument/didOpen", "params": {"textDocument": item}})
        self.found = self.diagnostics(1)
        return time.perf_counter() - self.started

    def change(self, uri: str, version: int, line: int) -> float:
        """Seconds from one typed character to the diagnostics of that version."""
        here = {"line": line, "character": 0}
        change = {"range": {"start": here, "end": here}, "text": "#" if version % 2 == 0 else "\n"}
        document = {"uri": uri, "version": version}
        began = time.perf_counter()
        self.send(
            {"method": "textDocument/didChange", "params": {"textDocument": document, "contentChanges": [change]}}
        )
        self.diagnostics(version)
        return time.perf_counter() - began

    def close(self) -> None:
        """End the server."""
        self.process.kill()
        self.process.communicate()


def figures(seconds: list[float]) -> str:
    """Median and 95th percentile in milliseconds."""
    ordered = sorted(seconds)
    high = ordered[min(len(ordered) - 1, math.ceil(0.95 * len(ordered)) - 1)]
    return f"{statistics.median(ordered) * 1000:8.1f} {high * 1000:8.1f}"


def measure(servers: dict[str, tuple[list[str], dict[str, Any]]], text: str, starts: int, changes: int) -> None:
    """Measure all servers in turn and print one line for each figure."""
    rows: dict[tuple[str, str], list[float]] = {}
    found: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.py"
        path.write_text(text)
        for _ in range(starts):
            for name, (command, options) in servers.items():
                client = Client(command, options)
                first = client.open(path.as_uri(), text)
                took = [client.change(path.as_uri(), version, 4) for version in range(2, 2 + changes)]
                client.close()
                rows.setdefault((name, "start to initialize"), []).append(client.initialized)
                rows.setdefault((name, "start to first diagnostics"), []).append(first)
                rows.setdefault((name, "change to diagnostics"), []).extend(took)
                found[name] = client.found
    print(
        f"{'':44}{'median':>8} {'p95':>8}   (ms; {len(text.splitlines())} lines, {starts} starts of {changes} changes)"
    )
    for (name, what), seconds in rows.items():
        print(f"{name:17}{what:27}{figures(seconds)}   {found[name]} diagnostics")


def main() -> None:
    """Parse the options, measure, print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--lines", type=int, default=1000)
    options.add_argument("--starts", type=int, default=5)
    options.add_argument("--changes", type=int, default=20)
    given = options.parse_args()
    ours = [sys.executable, "-m", "fixinplace", "lsp"]
    servers: dict[str, tuple[list[str], dict[str, Any]]] = {
        "debounce 0": (ours, {"debounce": 0}),
        "debounce 100": (ours, {}),
    }
    ruff = shutil.which("ruff", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if ruff is not None:
        servers["ruff server"] = ([ruff, "server"], {})
    else:
        print("ruff is not installed: nothing to compare with")
    measure(servers, program(given.lines), given.starts, given.changes)


if __name__ == "__main__":
    main()
