"""Settings, configuration files and folders; files that are renamed, removed or changed on the disk."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from announcing import capabilities
from editing import Editor, Json, editor

from fixinplace.config import BadConfig
from fixinplace.lsp.settings import Projects, Settings, parse

PROGRAM = """\
import torch


def forward(a, skip):
    h = torch.sigmoid(a)
    h += skip
    h.mul_(2)
    return h.sum()
"""
BOTH = ["FIP101", "FIP104"]


def project(root: Path, table: str = "") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / "pyproject.toml").write_text(f"[tool.fixinplace]\n{table}\n")
    (root / "model.py").write_text(PROGRAM)
    return root


def codes(client: Editor, uri: str, since: int | None = None) -> list[str]:
    if since is None:
        return [each["code"] for each in client.diagnostics(uri)]
    message = client.wait(
        lambda m: m.get("method") == "textDocument/publishDiagnostics" and m["params"]["uri"] == uri, since=since
    )
    return [each["code"] for each in message["params"]["diagnostics"]]


def shows(client: Editor, uri: str, found: list[str], since: int = 0) -> None:
    """Wait until the document shows that, of whatever version."""
    client.wait(
        lambda m: (
            m.get("method") == "textDocument/publishDiagnostics"
            and m["params"]["uri"] == uri
            and [each["code"] for each in m["params"]["diagnostics"]] == found
        ),
        since=since,
    )


@contextlib.contextmanager
def asked_editor(root: Path, settings: Json | None, **more: Any) -> Iterator[Editor]:
    """An editor that is asked for its settings, and has those."""
    given = capabilities()
    given["workspace"]["configuration"] = True
    with editor(root, capabilities=given, **more) as client:
        client.settings = settings
        yield client


def tell_of(client: Editor, path: Path, kind: int) -> int:
    """Tell that a file was created (1), changed (2) or deleted (3)."""
    since = len(client.received)
    client.notify("workspace/didChangeWatchedFiles", {"changes": [{"uri": path.as_uri(), "type": kind}]})
    return since


# --- settings


@pytest.mark.parametrize(
    "data",
    [
        {"select": ["FIP101"], "maxSize": 5},
        {"fixinplace": {"select": ["FIP101"], "maxSize": 5}},
        {"settings": {"select": ["FIP101"], "maxSize": 5}},
        {"select": ["FIP101"], "maxSize": 5.0, "probe": None},
    ],
)
def test_settings_are_read(data):
    assert parse(data) == Settings(select=("FIP101",), max_size=5)


@pytest.mark.parametrize("data", [None, {}, {"fixinplace": None}, {"fixinplace": {}}])
def test_without_settings_the_defaults_hold(data):
    assert parse(data) == Settings()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "must be an object"),
        ({"maxsize": 1}, "no setting `maxsize`; did you mean `maxSize`?"),
        ({"select": "FIP101"}, "`select` must be a list of strings"),
        ({"select": ["augmented"]}, "unknown rule `augmented`"),
        ({"enable": 1}, "`enable` must be true or false"),
        ({"config": 1}, "`config` must be a string"),
        ({"timeout": -1}, "must be a number that is not negative"),
        ({"timeout": True}, "must be a number that is not negative"),
    ],
)
def test_wrong_settings_are_told_and_change_nothing(data, said):
    with pytest.raises(BadConfig, match=said.replace("?", r"\?")):
        parse(data)
    projects = Projects(settings=Settings(select=("FIP1",)))
    projects.take(data)
    assert projects.settings == Settings(select=("FIP1",))
    assert said in projects.problems[0]


def test_the_innermost_folder_holds():
    inner, outer = Path("/a/b"), Path("/a")
    projects = Projects((outer, inner), scoped={inner: Settings(timeout=1)})

    assert projects.holding(Path("/a/b/c.py")).settings.timeout == 1
    assert projects.holding(Path("/a/c.py")).settings.timeout == 60
    assert projects.folder(Path("/z/c.py")) == Path("/z")
    assert projects.folder(None) == outer


def test_settings_at_the_start_and_later(tmp_path):
    with editor(project(tmp_path), options={"ignore": ["underscore-method"]}) as client:
        uri = client.open(tmp_path / "model.py")
        assert codes(client, uri) == ["FIP101"]

        since = len(client.received)
        client.notify("workspace/didChangeConfiguration", {"settings": {"fixinplace": {"ignore": ["FIP101"]}}})
        assert codes(client, uri, since) == ["FIP104"]

        since = len(client.received)
        client.notify("workspace/didChangeConfiguration", {"settings": {"enable": False}})
        assert codes(client, uri, since) == []

        client.notify("workspace/didChangeConfiguration", {"settings": {"fixinplace": {"no": 1}}})
        client.wait(lambda m: m.get("method") == "window/showMessage")
        assert client.said() == ["fixinplace: there is no setting `no`"]
        assert not client.last(uri)


def test_settings_that_the_client_is_asked_for(tmp_path):
    """What it answers wins over the options of the start, which hold again once it has nothing to say any more."""
    with asked_editor(project(tmp_path), {"select": ["FIP104"]}, options={"ignore": ["FIP104"]}) as client:
        uri = client.open(tmp_path / "model.py")
        shows(client, uri, [])

        for settings, found in (
            ({"select": ["FIP104"], "ignore": []}, ["FIP104"]),
            (None, ["FIP101"]),
            ({"enable": False}, []),
            ({}, ["FIP101"]),
        ):
            client.settings = settings
            since = len(client.received)
            client.notify("workspace/didChangeConfiguration", {"settings": None})
            shows(client, uri, found, since)


def test_settings_that_one_folder_has_no_longer(tmp_path):
    one, two = project(tmp_path / "one"), project(tmp_path / "two")
    projects = Projects((one, two))

    projects.take_all(None, {one: {"select": ["FIP104"]}, two: None})
    assert [projects.holding(at / "model.py").settings.select for at in (one, two)] == [("FIP104",), ()]

    projects.take_all(None, {one: None, two: {"enable": False}})
    assert [projects.holding(at / "model.py").settings.enable for at in (one, two)] == [True, False]
    assert projects.holding(one / "model.py").settings.select == ()


def test_nothing_sent_is_what_the_start_has_said(tmp_path):
    with editor(project(tmp_path), options={"ignore": ["FIP104"]}) as client:
        uri = client.open(tmp_path / "model.py")
        shows(client, uri, ["FIP101"])
        for settings, found in (({"enable": False}, []), ({}, ["FIP101"])):
            since = len(client.received)
            client.notify("workspace/didChangeConfiguration", {"settings": settings})
            shows(client, uri, found, since)


# --- folders and configuration files


def test_every_folder_has_its_own_configuration(tmp_path):
    one, two = project(tmp_path / "one", 'ignore = ["FIP101"]'), project(tmp_path / "zwei ü", 'ignore = ["FIP104"]')
    with editor(folders=(one, two)) as client:
        first, second = client.open(one / "model.py"), client.open(two / "model.py")

        assert codes(client, first) == ["FIP104"]
        assert codes(client, second) == ["FIP101"]


def test_a_folder_that_comes_later(tmp_path):
    one, two = project(tmp_path / "one"), project(tmp_path / "two", 'ignore = ["FIP104"]')
    with editor(one) as client:
        folder = {"uri": two.as_uri(), "name": "two"}
        client.notify("workspace/didChangeWorkspaceFolders", {"event": {"added": [folder], "removed": []}})
        uri = client.open(two / "model.py")
        assert codes(client, uri) == ["FIP101"]

        client.notify("workspace/didChangeWorkspaceFolders", {"event": {"added": [], "removed": [folder]}})
        client.change(uri, PROGRAM + "\n")
        assert codes(client, uri) == ["FIP101"]


def test_a_configuration_that_changes_holds_at_once(tmp_path):
    with editor(project(tmp_path)) as client:
        uri = client.open(tmp_path / "model.py")
        assert codes(client, uri) == BOTH

        project(tmp_path, 'select = ["FIP104"]')
        since = tell_of(client, tmp_path / "pyproject.toml", 2)

        assert codes(client, uri, since) == ["FIP104"]


def test_a_wrong_configuration_is_told_once_and_the_defaults_hold(tmp_path):
    with editor(project(tmp_path, 'selekt = ["FIP104"]')) as client:
        uri = client.open(tmp_path / "model.py")
        assert codes(client, uri) == BOTH
        client.change(uri, PROGRAM + "\n")
        assert codes(client, uri) == BOTH

        assert len(client.said()) == 1
        assert "has no key `selekt`; did you mean `select`?" in client.said()[0]


def test_excluded_files_are_left_alone(tmp_path):
    with editor(project(tmp_path, 'exclude = ["model.py"]')) as client:
        assert codes(client, client.open(tmp_path / "model.py")) == []
        assert codes(client, client.open(tmp_path / "other.py", PROGRAM)) == BOTH


def test_the_client_is_asked_to_watch(tmp_path):
    with editor(project(tmp_path)) as client:
        asked = client.wait(lambda m: m.get("method") == "client/registerCapability")["params"]["registrations"]

        assert [each["method"] for each in asked] == [
            "workspace/didChangeWatchedFiles", "workspace/didChangeConfiguration",
        ]  # fmt: skip


@pytest.mark.parametrize("pull", [False, True])
def test_a_configuration_that_changes_unwatched_is_seen(tmp_path, pull):
    """Without a word from the client: by looking at the file, within a second or when the document changes."""
    given = capabilities(pull=pull, without=("workspace.didChangeWatchedFiles",))
    with editor(project(tmp_path), capabilities=given) as client:
        uri = client.open(tmp_path / "model.py")
        assert ([each["code"] for each in client.pull(uri)] if pull else codes(client, uri)) == BOTH

        since = len(client.received)
        project(tmp_path, 'select = ["FIP104"]')

        if pull:
            client.wait(lambda m: m.get("method") == "workspace/diagnostic/refresh", 10, since)
            assert [each["code"] for each in client.pull(uri)] == ["FIP104"]
        else:
            assert codes(client, uri, since) == ["FIP104"]


@pytest.mark.parametrize("how", ["change", "open", "pull"])
def test_a_configuration_is_looked_at_with_the_document(tmp_path, how):
    """A watcher that is late or asleep costs nothing: the client says that it watches, and tells of nothing."""
    with editor(project(tmp_path), capabilities=capabilities(pull=how == "pull")) as client:
        uri = client.open(tmp_path / "model.py")
        first = client.pull(uri) if how == "pull" else client.diagnostics(uri)
        assert [each["code"] for each in first] == BOTH

        project(tmp_path, 'select = ["FIP104"]')
        if how == "open":
            other = client.open(tmp_path / "other.py", PROGRAM)
            assert [each["code"] for each in client.diagnostics(other)] == ["FIP104"]
        else:
            client.change(uri, PROGRAM + "#")
            found = client.pull(uri) if how == "pull" else client.diagnostics(uri)
            assert [each["code"] for each in found] == ["FIP104"]


def test_a_client_that_pulls_is_told_to_pull_again_when_a_file_changes(tmp_path):
    with editor(project(tmp_path), capabilities=capabilities(pull=True)) as client:
        uri = client.open(tmp_path / "model.py")
        assert len(client.pull(uri)) == 2

        project(tmp_path, 'select = ["FIP104"]')
        since = tell_of(client, tmp_path / "pyproject.toml", 2)

        client.wait(lambda m: m.get("method") == "workspace/diagnostic/refresh", 10, since)
        assert [each["code"] for each in client.pull(uri)] == ["FIP104"]


def test_all_that_is_wrong_is_told_in_one_message(tmp_path):
    wrong = {"selekt": [], "timeout": -1, "ignore": ["augmented", "FIP1", "nothing"]}
    project(tmp_path, 'probe = []\nexclude = "x"\nselect = ["noo"]')
    with editor(tmp_path, options=wrong) as client:
        client.diagnostics(client.open(tmp_path / "model.py"))

        settings, configuration = client.said()
    for word in ("`selekt`", "`timeout`", "`augmented`", "`nothing`"):
        assert word in settings
    for word in ("`probe`", "exclude must", "`noo`"):
        assert word in configuration


# --- files that come and go


def test_a_renamed_file(tmp_path):
    with editor(project(tmp_path)) as client:
        old, new = tmp_path / "model.py", tmp_path / "nouveau modèle.py"
        uri = client.open(old)
        assert codes(client, uri) == BOTH

        old.rename(new)
        client.shut(uri)
        other = client.open(new)
        client.notify("workspace/didRenameFiles", {"files": [{"oldUri": uri, "newUri": other}]})

        assert codes(client, other) == BOTH
        client.emptied(uri)
        client.do(other, client.spot(other, "h += skip"), "Rewrite")
        assert "h = h + skip" in client.texts[other]


def test_a_renamed_folder_without_a_word_from_the_documents(tmp_path):
    with editor(project(tmp_path / "old").parent) as client:
        uri = client.open(tmp_path / "old" / "model.py")
        assert codes(client, uri) == BOTH

        names = {"oldUri": (tmp_path / "old").as_uri(), "newUri": (tmp_path / "new").as_uri()}
        since = len(client.received)
        client.notify("workspace/didRenameFiles", {"files": [names]})

        assert codes(client, uri, since) == []
        assert client.actions(uri, client.spot(uri, "h += skip")) == []


@pytest.mark.parametrize("how", ["watched", "deleted"])
def test_a_deleted_file_is_quiet_until_it_is_typed_in(tmp_path, how):
    with editor(project(tmp_path)) as client:
        path = tmp_path / "model.py"
        uri = client.open(path)
        assert codes(client, uri) == BOTH

        path.unlink()
        if how == "watched":
            since = tell_of(client, path, 3)
        else:
            since = len(client.received)
            client.notify("workspace/didDeleteFiles", {"files": [{"uri": uri}]})
        assert codes(client, uri, since) == []
        client.pump(0.6)
        assert client.last(uri) == []

        client.change(uri, PROGRAM + "\n")
        assert codes(client, uri) == BOTH


def test_a_file_that_comes_back_is_told_of_again(tmp_path):
    with editor(project(tmp_path)) as client:
        path = tmp_path / "model.py"
        uri = client.open(path)
        client.diagnostics(uri)
        tell_of(client, path, 3)
        client.pump(0.5)

        since = tell_of(client, path, 1)

        assert codes(client, uri, since) == BOTH


def test_a_file_that_begins_to_import_another_is_seen(tmp_path):
    text = (
        "import torch\n\n\ndef scale(t):\n    t.mul_(2)\n    return t.sum()\n\n\n"
        'if __name__ == "__main__":\n    print(scale(torch.ones(2, requires_grad=True).exp()))\n'
    )
    project(tmp_path)
    with editor(tmp_path) as client:
        uri = client.open(tmp_path / "model.py", text)
        (tmp_path / "model.py").write_text(text)
        before = client.diagnostics(uri)[0]["message"]

        (tmp_path / "train.py").write_text("from model import scale\n")
        since = len(client.received)
        client.notify("textDocument/didSave", {"textDocument": {"uri": uri}})
        codes(client, uri, since)

        after = client.last(uri)[0]["message"]
        assert "hidden-caller" not in before
        assert "hidden-caller" in after
