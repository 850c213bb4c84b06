"""How the server starts and ends, what it imports, and what it does with messages that make no sense."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from announcing import capabilities
from editing import PATIENCE, Answer, editor
from processes_of import descendants, ends

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = "import torch\n\n\ndef forward(a, skip):\n    h = torch.sigmoid(a)\n    h += skip\n    return h.sum()\n"


def python(code: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *options, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )


def test_starting_imports_only_what_the_server_needs():
    code = (
        "import sys\nimport fixinplace.lsp.server\n"
        "print([name for name in ('torch', 'typer', 'rich', 'libcst', 'numpy', 'click') if name in sys.modules])"
    )

    assert python(code).stdout == "[]\n"


def test_looking_at_a_document_does_not_import_torch(tmp_path):
    code = (
        "import sys\nfrom fixinplace import config, pipeline\nfrom fixinplace.lsp import actions, hover\n"
        "from fixinplace.source import parse\n"
        f"pipeline.fix(parse('a.py', {PROGRAM.encode()!r}), config.selected((), ()), pipeline.Policy(), None)\n"
        "print('torch' in sys.modules, 'libcst' in sys.modules)"
    )

    assert python(code).stdout == "False True\n"


def test_without_the_extra_one_line_says_what_to_install(tmp_path):
    (tmp_path / "pygls").mkdir()
    (tmp_path / "pygls" / "__init__.py").write_text("raise ModuleNotFoundError('no pygls', name='pygls')\n")
    code = "import sys\nsys.argv = ['fixinplace', 'lsp']\nfrom fixinplace.__main__ import main\nmain()"

    found = python(code, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")

    assert found.returncode == 2
    assert found.stderr == "fixinplace: the language server needs pygls: pip install 'fixinplace[lsp]'\n"
    assert found.stdout == ""


@pytest.mark.parametrize("words", [[], ["--stdio"], ["--stdio", f"--clientProcessId={os.getpid()}"]])
def test_what_clients_add_to_the_command_is_taken(words):
    found = subprocess.run(
        [sys.executable, "-m", "fixinplace", "lsp", *words],
        input=b"",
        capture_output=True,
        check=False,
        timeout=PATIENCE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )

    assert (found.returncode, found.stdout, found.stderr) == (1, b"", b"")


def test_shutdown_and_exit(tmp_path):
    with editor(tmp_path) as client:
        assert client.close() == 0


def test_exit_without_shutdown_is_a_failure(tmp_path):
    with editor(tmp_path) as client:
        client.send({"method": "exit"})

        assert client.process.wait(20) == 1


@pytest.mark.parametrize("busy", [False, True])
def test_a_client_that_vanishes(tmp_path, busy):
    with editor(tmp_path) as client:
        if busy:
            client.open(tmp_path / "model.py", PROGRAM * 200)
            time.sleep(0.3)
        assert client.process.stdin is not None
        client.process.stdin.close()

        assert client.process.wait(20) == 1


def test_what_the_server_wrote_is_removed(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with editor(tmp_path) as client:
        uri = client.open(tmp_path / "model.py", PROGRAM)
        assert client.diagnostics(uri)
        assert list(tmp_path.glob("fixinplace-rules-*/*.md"))
        client.close()

    assert list(tmp_path.glob("fixinplace-*")) == []


def test_nothing_runs_below_a_server_that_only_looks(tmp_path):
    with editor(tmp_path) as client:
        client.diagnostics(client.open(tmp_path / "model.py", PROGRAM))

        assert descendants(client.process.pid) == []
    assert ends([client.process.pid])


@pytest.mark.parametrize(
    "message",
    [
        {"method": "textDocument/didOpen", "params": {}},
        {"method": "textDocument/didChange", "params": {"textDocument": {"uri": "file:///a.py"}, "contentChanges": 1}},
        {"method": "no/such/notification", "params": {}},
        {"method": "workspace/didChangeConfiguration", "params": {"settings": 7}},
        {"method": "workspace/didRenameFiles", "params": {"files": [{"oldUri": "", "newUri": "x"}]}},
        {"method": "workspace/didChangeWatchedFiles", "params": {"changes": [{"uri": "untitled:x", "type": 3}]}},
        {"method": "$/cancelRequest", "params": {"id": 12345}},
        {"method": "window/workDoneProgress/cancel", "params": {"token": "nobody"}},
        {"id": 99, "result": None},
    ],
)
def test_messages_that_make_no_sense_do_no_harm(tmp_path, message):
    with editor(tmp_path) as client:
        client.send(message)

        assert len(client.diagnostics(client.open(tmp_path / "model.py", PROGRAM))) == 1


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("no/such/request", {}),
        ("workspace/executeCommand", {"command": "no.such", "arguments": []}),
        ("textDocument/codeAction", {"textDocument": {"uri": "file:///a.py"}}),
        ("codeAction/resolve", {"title": "x", "data": {"uri": "file:///a.py", "do": "fix"}}),
    ],
)
def test_requests_that_make_no_sense_are_answered_with_an_error(tmp_path, method, params):
    with editor(tmp_path) as client:
        with pytest.raises(Answer):
            client.request(method, params)

        assert len(client.diagnostics(client.open(tmp_path / "model.py", PROGRAM))) == 1


@pytest.mark.parametrize(
    ("offered", "taken"),
    [(["utf-7", "utf-32"], "utf-32"), (["utf-7"], "utf-16"), ([], "utf-16"), (["utf-8", "utf-16"], "utf-8")],
)
def test_the_encoding_is_negotiated(tmp_path, offered, taken):
    given = capabilities()
    given["general"]["positionEncodings"] = offered
    with editor(tmp_path, capabilities=given) as client:
        assert client.encoding == taken


def test_a_client_that_announces_nothing(tmp_path):
    with editor(capabilities={}) as client:
        uri = client.open(tmp_path / "model.py", PROGRAM)

        assert len(client.diagnostics(uri)) == 1
        found = client.request(
            "textDocument/hover", {"textDocument": {"uri": uri}, "position": client.spot(uri, "h += skip")["start"]}
        )
        assert found["contents"]["kind"] == "plaintext"
        assert "**" not in found["contents"]["value"]
        client.do(uri, client.spot(uri, "h += skip"), "Rewrite")
        assert "h = h + skip" in client.texts[uri]
        assert json.dumps(client.command("fixinplace.explain", "FIP101")).startswith('"# augmented-name')
        assert client.said()[-1].startswith("augmented-name (FIP101): ")
