"""Find the culprit: a script that the user names, or that a traceback names, runs under the tracer."""

from __future__ import annotations

from pathlib import Path

import pytest
from editing import Editor, editor
from test_lsp_proving import PROGRAM


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory):
    with editor(tmp_path_factory.mktemp("project")) as found:
        yield found


@pytest.fixture
def here(client: Editor, tmp_path: Path):
    def put(text: str, name: str = "model.py", disk: str | None = None) -> str:
        (tmp_path / name).write_text(text if disk is None else disk)
        return client.open(tmp_path / name, text)

    yield put
    for uri in list(client.texts):
        client.shut(uri)


def test_the_culprit_of_a_script_is_shown_with_who_saved_and_who_needed(client, here):
    uri = here(PROGRAM)

    result = client.command("fixinplace.repair", client.texts and uri.removeprefix("file://"))

    (found,) = client.last(uri)
    assert (found["code"], client.at(uri, found["range"])) == ("FIP101", "h += skip")
    related = {each["message"]: client.at(uri, each["location"]["range"]) for each in found["relatedInformation"]}
    assert list(related) == ["saved here for backward", "needed here"]
    assert related["saved here for backward"] == "torch.sigmoid(a)"
    assert related["needed here"] == "forward(weight * 2, torch.ones(3)).backward()"
    assert result["document"]["culprits"][0]["culprit"]["line"] == 6
    assert client.texts[uri] == PROGRAM == Path(uri.removeprefix("file://")).read_text()
    client.change(uri, PROGRAM + "\n")
    assert "relatedInformation" not in client.diagnostics(uri)[0]


@pytest.mark.slow
def test_the_culprit_of_a_pasted_traceback(client, here, tmp_path):
    uri = here(PROGRAM)
    pasted = (
        f'Traceback (most recent call last):\n  File "{tmp_path}/model.py", line 12, in <module>\n'
        "    forward(weight * 2, torch.ones(3)).backward()\nRuntimeError: one of the variables needed for gradient "
        "computation has been modified by an inplace operation\n"
    )
    note = client.open("untitled:note", pasted, language="plaintext")
    where = {"start": client.position(note, 0), "end": client.position(note, len(pasted))}

    result = client.do(note, where, "Find the culprit of this traceback")

    assert "model.py:6" in result["message"]
    assert client.at(uri, client.last(uri)[0]["range"]) == "h += skip"


@pytest.mark.slow
def test_a_culprit_in_a_file_that_is_not_open_is_shown(client, tmp_path):
    path = tmp_path / "closed.py"
    path.write_text(PROGRAM)
    since = len(client.received)

    client.command("fixinplace.repair", {"script": str(path)})

    shown = client.wait(lambda m: m.get("method") == "window/showDocument", since=since)["params"]
    assert (shown["uri"], shown["selection"]["start"]["line"]) == (path.as_uri(), 5)


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ({}, "name a script"),
        ({"traceback": "no traceback"}, "name a script"),
        ({"script": "nowhere.py"}, "there is no file"),
        ({"module": "no_such_module_here"}, "no_such_module_here"),
    ],
)
def test_a_command_that_names_nothing_is_told(client, argument, said):
    assert said in client.command("fixinplace.repair", argument)["message"]


def test_a_script_that_is_not_saved_is_not_run(client, here, tmp_path):
    here(PROGRAM, disk=f"open({str(tmp_path / 'marker')!r}, 'w')\n")

    result = client.command("fixinplace.repair", {"script": str(tmp_path / "model.py")})

    assert "save model.py first" in result["message"]
    assert not (tmp_path / "marker").exists()


def test_a_missing_script_is_missing_whatever_is_unsaved(client, here, tmp_path):
    here(PROGRAM, disk="")

    result = client.command("fixinplace.repair", {"script": str(tmp_path / "nowhere.py")})

    assert f"there is no file {tmp_path / 'nowhere.py'}" in result["message"]
