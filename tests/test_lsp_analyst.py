"""The process that looks at texts: nobody waits for another's text, nothing stale is worked on, nothing is left."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from announcing import capabilities
from edited import PROGRAM, SLOW
from editing import Editor, editor
from processes_of import analysts, ends, running

from fixinplace.lsp.analysts import Analysts, Lost
from fixinplace.lsp.frames import Done, framed, unframed

LONG = "import torch\n" + "\n\n".join(
    f"def f{number}(a, skip):\n    h = torch.sigmoid(a)\n    for _ in range(3):\n        h += skip\n    return h"
    for number in range(6000)
)
"""Takes many seconds on any machine."""


def busy(client: Editor, count: int, seconds: float = 20) -> list[int]:
    """The analyst and its pieces of work, once there are so many."""
    deadline = time.monotonic() + seconds
    while len(found := analysts(client.process.pid)) != count:
        assert time.monotonic() < deadline, found
        client.pump(0.05)
    return found


def test_a_long_text_hinders_no_other_and_its_user_is_told(tmp_path):
    with editor(tmp_path) as client:
        long = client.open(tmp_path / "long.py", LONG)
        short = client.open(tmp_path / "short.py", PROGRAM)

        assert len(client.diagnostics(short)) == 1
        client.change(short, PROGRAM + "#")
        assert len(client.diagnostics(short)) == 1
        assert client.do(short, client.spot(short, "h += skip"), "Rewrite") is None
        begun = client.wait(lambda m: m.get("method") == "$/progress")["params"]["value"]
        assert (begun["kind"], begun["cancellable"]) == ("begin", False)
        assert begun["title"].startswith("fixinplace: looking at long.py, ")
        assert client.logged()[0].startswith("still looking at long.py, ")
        assert client.last(long) is None


@pytest.mark.parametrize("how", ["type", "close"])
def test_work_on_a_text_that_has_passed_is_ended(tmp_path, how):
    with editor(tmp_path) as client:
        uri = client.open(tmp_path / "long.py", LONG)
        before = busy(client, 2)

        if how == "type":
            client.change(uri, PROGRAM)
            assert len(client.diagnostics(uri)) == 1
        else:
            client.shut(uri)

        assert ends(before[1:], 5)
        assert analysts(client.process.pid) == before[:1]


def test_a_killed_analyst_is_replaced(tmp_path):
    with editor(tmp_path) as client:
        uri = client.open(tmp_path / "model.py", PROGRAM)
        client.diagnostics(uri)
        (pid,) = analysts(client.process.pid)
        os.kill(pid, signal.SIGKILL)

        client.change(uri, PROGRAM + "#")

        assert len(client.diagnostics(uri)) == 1
        assert analysts(client.process.pid) != [pid]


def test_a_piece_of_work_that_dies_is_told_and_costs_nothing_else(tmp_path):
    with editor(tmp_path) as client:
        long = client.open(tmp_path / "long.py", LONG)
        os.kill(busy(client, 2)[1], signal.SIGKILL)

        assert client.diagnostics(long) == []
        assert any("ended with code -9, without an answer" in line for line in client.logged()), client.logged()
        assert len(client.diagnostics(client.open(tmp_path / "short.py", PROGRAM))) == 1


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the server and all below it make their temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.mark.parametrize("how", ["shutdown", "exit", "vanish", "SIGTERM", "SIGHUP", "SIGINT", "SIGKILL"])
@pytest.mark.parametrize("at", ["rest", "looking", pytest.param("proving", marks=pytest.mark.slow)])
def test_every_ending_leaves_no_process_and_no_folder(tmp_path, folder, how, at):
    with editor(tmp_path) as client:
        uri = client.open(tmp_path / "model.py", SLOW)
        client.diagnostics(uri)
        assert list(folder.glob("fixinplace-rules-*/*.md"))
        below = analysts(client.process.pid)
        if at == "looking":
            client.open(tmp_path / "long.py", LONG)
            below = busy(client, 2)
        if at == "proving":
            client.ask(
                "workspace/executeCommand",
                client.action(uri, client.spot(uri, "h += skip"), "Prove and apply: ")["command"],
            )
            below += running(client)

        assert end(client, how) == {"shutdown": 0, "exit": 1, "vanish": 1}.get(how, -getattr(signal, how, 0))

        assert ends(below)
    assert gone(folder), list(folder.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("how", ["vanish", "SIGKILL"])
def test_what_answers_nobody_any_more_leaves_no_folder_either(tmp_path, folder, how):
    with editor(tmp_path) as client:
        uri = client.open(tmp_path / "model.py", SLOW)
        client.diagnostics(uri)
        spot = client.spot(uri, "h += skip")
        client.ask("workspace/executeCommand", client.action(uri, spot, "Prove and apply: ")["command"])
        started = running(client)
        for pid in started[1:]:  # a fork server that cannot clean up when it is asked to
            with contextlib.suppress(ProcessLookupError):  # one that only lived for a moment
                os.kill(pid, signal.SIGSTOP)

        end(client, how)

        assert ends(started)
    assert gone(folder), list(folder.iterdir())


def end(client: Editor, how: str) -> int:
    if how == "shutdown":
        return client.close()
    if how == "exit":
        client.send({"method": "exit"})
    elif how == "vanish":
        assert client.process.stdin is not None
        client.process.stdin.close()
    else:
        client.process.send_signal(getattr(signal, how))
    return client.process.wait(20)


def gone(folder: Path) -> bool:
    """True once nothing is left in a folder."""
    deadline = time.monotonic() + 10
    while list(folder.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not list(folder.iterdir())


def test_the_server_does_not_outlive_an_editor_whose_pipe_stays_open(tmp_path):
    given = capabilities()
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with editor(tmp_path, capabilities=given, process=other.pid) as client:
        client.diagnostics(client.open(tmp_path / "model.py", PROGRAM))
        other.communicate(b"\n")

        assert client.process.wait(20) == -signal.SIGTERM


def test_what_work_raises_is_raised_and_what_hangs_can_be_cancelled(tmp_path):
    async def talk() -> None:
        asking = Analysts(tmp_path / "nothing")
        try:
            assert await asking.ask(int, "12") == 12
            with pytest.raises(ValueError, match="invalid literal"):
                await asking.ask(int, "twelve")
            with pytest.raises(Lost, match="code -11"):
                await asking.ask(signal.raise_signal, signal.SIGSEGV)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asking.ask(time.sleep, 60), 0.5)
            (pid,) = asking.pids
            assert await asking.ask(bytes, 1 << 20) == bytes(1 << 20)
        finally:
            asking.close()
        assert await asyncio.to_thread(ends, [pid])
        with pytest.raises(Lost, match="has ended"):
            await asking.ask(int, "1")

    asyncio.run(talk())


def test_messages_are_taken_one_by_one_and_only_whole():
    first, second = Done(1, "x" * 100), Done(2, lost=-9)
    read = bytearray()
    found = []
    for byte in framed(first) + framed(second):
        read.append(byte)
        if (message := unframed(read)) is not None:
            found.append(message)

    assert found == [first, second] and not read
