"""Sequences that nobody wants and somebody does."""

from __future__ import annotations

import contextlib
import os
import signal

import pytest
from edited import FIXED, PROGRAM, SLOW
from editing import Answer, Editor, editor
from processes_of import descendants, ends, running


def prove(client: Editor, uri: str) -> int:
    action = client.action(uri, client.spot(uri, "h += skip"), "Prove and apply: ")
    return client.ask("workspace/executeCommand", action["command"])


def test_a_whole_session(client, tmp_path):
    """Open, type, break, mend, prove, undo, rename, ignore, close, in a folder with spaces and umlauts."""
    folder = tmp_path / "größe 1;#%41"
    folder.mkdir()
    path = folder / "mödel.py"
    path.write_text(PROGRAM)
    uri = client.open(path)
    client.replace(uri, "h += skip", "h += skip  # 😀")
    assert len(client.diagnostics(uri)) == 1
    client.replace(uri, "def forward(a", "def forward((a")
    assert [client.at(uri, each["range"]) for each in client.diagnostics(uri)] == ["h += skip"]
    client.replace(uri, "def forward((a", "def forward(a")
    assert len(client.diagnostics(uri)) == 1
    assert client.answer(prove(client, uri))["applied"]
    assert "h = h + skip  # 😀" in client.texts[uri]
    client.change(uri, PROGRAM)
    assert len(client.diagnostics(uri)) == 1
    path.rename(folder / "other.py")
    client.shut(uri)
    uri = client.open(folder / "other.py")
    assert len(client.diagnostics(uri)) == 1
    client.do(uri, client.spot(uri, "h += skip"), "Ignore")
    assert client.diagnostics(uri) == []
    client.change(uri, PROGRAM)
    client.do(uri, client.spot(uri, "h += skip"), "Fix all")
    assert client.texts[uri] == FIXED
    client.shut(uri)
    client.emptied(uri)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff",
        "\0import torch\n",
        "import torch\nx = '\ud800'\n",
        "import torch\n" + "x = " + "(" * 300 + ")" * 300 + "\n",
        "import torch\nh = torch.sigmoid(a)" + ".abs()" * 1500 + "\n",
        "import torch\nx = " + "-" * 5000 + "1\n",
        "\x0c\n\r\r\n",
    ],
    ids=["mark", "nul", "surrogate", "brackets", "chain", "unary", "ends"],
)
def test_texts_that_are_hardly_programs(client, here, text):
    uri = here(text)

    assert [each["code"] for each in client.diagnostics(uri)] == []
    assert [a for a in client.actions(uri, {"start": client.position(uri, 0), "end": client.position(uri, len(text))})
            if a["kind"] == "quickfix"] == []  # fmt: skip


def test_a_chain_of_a_thousand_calls_is_fixed(client, here):
    text = "import torch\n\n\ndef f(a):\n    h = torch.sigmoid(a)\n    h += a" + ".abs()" * 1000 + "\n    return h\n"
    uri = here(text)

    client.do(uri, client.spot(uri, "h += "), "Rewrite")

    assert client.texts[uri] == text.replace("h += a", "h = h + a")


def test_positions_behind_everything(client, here):
    uri = here(PROGRAM)
    far = {"line": 10_000, "character": 10_000}

    assert client.request("textDocument/hover", {"textDocument": {"uri": uri}, "position": far}) is None
    assert client.actions(uri, {"start": far, "end": far}, ["quickfix"]) == []
    whole = client.actions(uri, {"start": {"line": 0, "character": 0}, "end": far}, ["quickfix"])
    assert [a["title"] for a in whole if a.get("isPreferred")] == ["Rewrite as `h = h + skip` (safe)"]


def test_what_is_not_looked_at_is_not_run_either(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.fixinplace]\nexclude = ["model.py"]\n')
    marker = tmp_path / "marker"
    with editor(tmp_path) as client:
        uri = client.open(tmp_path / "model.py", PROGRAM + f"    open({str(marker)!r}, 'w')\n")

        result = client.command("fixinplace.prove", uri)

        assert not result["applied"] and "is not looked at" in result["message"]
        assert descendants(client.process.pid) == []


def test_a_probe_that_does_not_exist_is_told(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.fixinplace]\nprobes = ["nowhere.py::main"]\n')
    with editor(tmp_path) as client:
        uri = client.open(tmp_path / "model.py", PROGRAM)

        result = client.answer(prove(client, uri))

        assert not result["applied"] and "there is no file nowhere.py" in result["message"]


def test_a_probe_of_the_settings(tmp_path):
    (tmp_path / "checks.py").write_text(
        "import torch\n\nfrom model import forward\n\n\ndef probe_forward():\n"
        "    return forward(torch.ones(3, requires_grad=True) * 2, torch.ones(3))\n"
    )
    (tmp_path / "model.py").write_text("")
    with editor(tmp_path, options={"probe": ["checks.py"]}) as client:
        uri = client.open(tmp_path / "model.py", PROGRAM.partition("\n\nif")[0])

        assert client.answer(prove(client, uri))["verdict"] == "proved"


@pytest.mark.parametrize("beginning", ["Prove and apply: ", "Prove and apply all"])
def test_a_proof_that_takes_too_long_applies_nothing(tmp_path, beginning):
    with editor(tmp_path, options={"timeout": 2}) as client:
        uri = client.open(tmp_path / "model.py", SLOW)

        result = client.do(uri, client.spot(uri, "h += skip"), beginning)

        assert not result["applied"] and "nothing was applied" in result["message"], result
        assert client.texts[uri] == SLOW
        client.do(uri, client.spot(uri, "h += skip"), "Rewrite as `h = h + skip` (safe)")


@pytest.mark.slow
def test_two_proofs_come_one_after_the_other(client, here):
    first, second = here(PROGRAM, "one.py"), here(PROGRAM, "two.py")
    numbers = [prove(client, first), prove(client, second)]

    assert [client.answer(number)["verdict"] for number in numbers] == ["proved", "proved"]
    assert client.texts[first] == client.texts[second] == FIXED


def test_a_proof_that_waits_may_be_cancelled(client, here):
    first, second = here(SLOW, "one.py"), here(PROGRAM, "two.py")
    numbers = [prove(client, first), prove(client, second)]
    child = running(client, 2)

    client.notify("$/cancelRequest", {"id": numbers[1]})
    with pytest.raises(Answer):
        client.answer(numbers[1], 20)
    client.shut(first)

    assert not client.answer(numbers[0], 30)["applied"]
    assert ends(child)
    assert client.texts[second] == PROGRAM


def test_the_fork_server_is_killed_while_proving(client, here):
    uri = here(SLOW)
    number = prove(client, uri)
    child, server = running(client, 3)[:2]

    os.kill(server, signal.SIGKILL)
    client.pump(1)
    client.notify("$/cancelRequest", {"id": number})

    with contextlib.suppress(Answer):  # unless it is answered, by what the text tells, before it is cancelled
        client.answer(number, 30)
    assert ends([child, server])
    assert client.texts[uri] == SLOW


CHATTY = """\
import os, subprocess, sys, time
print("x" * 100_000)
print(repr(sys.stdin.read()))
subprocess.Popen(["sleep", "300"], start_new_session=True)
if os.fork() == 0:
    os.setsid()
    time.sleep(300)
time.sleep(300)
"""


@pytest.mark.parametrize("how", ["cancel", "kill the child", "kill the server", "vanish"])
def test_a_script_that_leaves_processes_behind(tmp_path, how):
    (tmp_path / "train.py").write_text(CHATTY)
    with editor(tmp_path) as client:
        number = client.ask("workspace/executeCommand", {"command": "fixinplace.repair", "arguments": ["train.py"]})
        child = running(client, 4)
        assert client.process.stdin is not None

        if how == "cancel":
            client.notify("$/cancelRequest", {"id": number})
            with pytest.raises(Answer):
                client.answer(number, 20)
        elif how == "kill the child":
            os.kill(child[0], signal.SIGKILL)
            assert "killed by SIGKILL" in client.answer(number, 20)["message"]
        elif how == "kill the server":
            client.kill()
        else:
            client.process.stdin.close()
            client.process.wait(20)

        assert ends(child)


def test_a_script_that_takes_too_long_is_stopped(tmp_path):
    (tmp_path / "train.py").write_text("import time\ntime.sleep(300)\n")
    with editor(tmp_path, options={"timeout": 2}) as client:
        result = client.command("fixinplace.repair", {"script": "train.py"})

        assert result["message"]
        assert ends(descendants(client.process.pid))


def test_a_script_gets_its_arguments_and_its_folder(tmp_path):
    (tmp_path / "sub").mkdir()
    look = "    import os, sys\n    open('seen', 'w').write(os.getcwd() + str(sys.argv[1:]))\n"
    (tmp_path / "train.py").write_text(PROGRAM.replace("    weight", f"{look}    weight"))
    with editor(tmp_path) as client:
        argument = {"script": "train.py", "arguments": ["--steps", 2], "cwd": str(tmp_path / "sub")}

        result = client.command("fixinplace.repair", argument)

        assert "h += skip" in result["message"]
        assert (tmp_path / "sub" / "seen").read_text() == f"{tmp_path / 'sub'}['--steps', '2']"


def test_the_client_answers_late(client, here):
    """Two edits while the edit of a proof is under way: the editor refuses it, and nothing is lost."""
    uri = here(PROGRAM)
    serve = client._serve

    def slow(method, params):
        if method == "workspace/applyEdit":
            client.change(uri, PROGRAM + "#")
            client.change(uri, PROGRAM + "##")
        return serve(method, params)

    client._serve = slow
    try:
        result = client.answer(prove(client, uri))
    finally:
        client._serve = serve

    assert not result["applied"]
    assert client.texts[uri] == PROGRAM + "##"
    assert len(client.diagnostics(uri)) == 1
