"""Documents as they are typed: findings for the text of now, in every encoding, and none of what has passed."""

from __future__ import annotations

from pathlib import Path

import pytest
from announcing import FULL, capabilities
from editing import Editor, editor

PROGRAM = """\
import torch


def forward(a, skip):
    h = torch.sigmoid(a)
    h += skip
    return h.sum()


def other(a, skip):
    g = torch.sigmoid(a)
    g *= skip
    return g.sum()
"""
RULES = [("FIP101", "h += skip"), ("FIP101", "g *= skip")]


def told(client: Editor, uri: str, found: list) -> list[tuple[str, str]]:
    return [(each["code"], client.at(uri, each["range"])) for each in found]


def test_an_opened_file_is_looked_at(client, here):
    uri = here(PROGRAM)

    found = client.diagnostics(uri)

    assert told(client, uri, found) == RULES
    first = found[0]
    assert first["message"].startswith("`h += skip` overwrites `h`\nfix: rewrite as `h = h + skip` (safe")
    assert (first["source"], first["severity"], first["data"]["rule"]) == ("fixinplace", 2, "FIP101")
    page = Path(first["codeDescription"]["href"].removeprefix("file://"))
    assert page.read_text().startswith("# augmented-name (FIP101)")


def test_a_refused_finding_is_an_information_and_points_to_what_else_is_there(client, here):
    text = PROGRAM.replace(
        "    h += skip\n", "    keep = [[h]]\n    print(len(keep))\n    h += skip\n    print(keep[0][0])\n"
    )
    uri = here(text)

    found = client.diagnostics(uri)[0]

    assert found["severity"] == 3
    assert "\nrefused " in found["message"]


def test_the_buffer_counts_and_not_the_disk(client, here):
    uri = here("import torch\n")
    assert client.diagnostics(uri) == []

    client.change(uri, PROGRAM)

    assert told(client, uri, client.diagnostics(uri)) == RULES


def test_incremental_changes(client, here):
    uri = here(PROGRAM)
    client.diagnostics(uri)

    client.replace(uri, "h += skip", "h = h + skip")
    client.replace(uri, "import torch\n", "import torch  # 😀\n\n")

    assert told(client, uri, client.diagnostics(uri)) == RULES[1:]


def test_typing_fast_gives_one_answer(client, here):
    uri = here(PROGRAM)
    client.diagnostics(uri)
    client.notify("workspace/didChangeConfiguration", {"settings": {"debounce": 3000}})

    try:
        for count in range(10):
            client.change(uri, PROGRAM + "#" * count)
        client.diagnostics(uri)
    finally:
        client.notify("workspace/didChangeConfiguration", {"settings": {}})

    pushed = [m["params"] for m in client.received if m.get("method") == "textDocument/publishDiagnostics"]
    assert {each["version"] for each in pushed if each["uri"] == uri} == {1, 11}


@pytest.mark.parametrize(
    ("broken", "left"),
    [
        (PROGRAM.replace("h += skip", "h +="), RULES[1:]),
        (PROGRAM.replace("def other(", "def other(("), RULES),
        (PROGRAM.replace("h += skip", "h += (").replace("g *= skip", "g"), []),
        ("\n\n" + PROGRAM + "x = (\n", RULES),
        (PROGRAM + "'''\n", RULES),
        ("(((", []),
        ("", []),
    ],
)
def test_a_syntax_error_keeps_what_its_lines_did_not_touch(client, here, broken, left):
    uri = here(PROGRAM)
    client.diagnostics(uri)

    client.change(uri, broken)

    assert told(client, uri, client.diagnostics(uri)) == left
    for rule, text in left:
        titles = [a["title"] for a in client.actions(uri, client.spot(uri, text))]
        assert titles == ["Explain augmented-name"], rule


def test_mending_a_syntax_error_brings_all_back(client, here):
    uri = here(PROGRAM)
    client.change(uri, PROGRAM + "(")
    client.diagnostics(uri)

    client.change(uri, PROGRAM)

    assert told(client, uri, client.diagnostics(uri)) == RULES
    assert len(client.actions(uri, client.spot(uri, "h += skip"))) > 3


def test_a_file_that_never_was_python_is_quiet(client, here):
    assert client.diagnostics(here("def (\n")) == []


def test_unused_suppressions_are_hints(client, here):
    uri = here(PROGRAM.replace("return g.sum()", "return g.sum()  # fixinplace: ignore[augmented-name] old"))

    hint = client.diagnostics(uri)[-1]

    assert (hint["code"], hint["severity"], hint["tags"]) == ("FIP903", 4, [1])
    assert client.at(uri, hint["range"]) == "# fixinplace: ignore[augmented-name] old"


def test_closing_takes_everything_back(client, here):
    uri = here(PROGRAM)
    client.diagnostics(uri)

    client.shut(uri)

    client.emptied(uri)


def test_closing_at_once_leaves_nothing_behind(client, here):
    uri = here(PROGRAM)
    client.change(uri, PROGRAM + "\n")
    client.shut(uri)
    client.emptied(uri)

    client.pump(1)  # in which nothing more may come

    assert client.last(uri) == []


@pytest.fixture(scope="module", params=["utf-8", "utf-16", "utf-32"])
def counting(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """A client that counts in one of the encodings."""
    given = capabilities(encoding=request.param)
    with editor(tmp_path_factory.mktemp("project"), capabilities=given) as found:
        assert found.encoding == request.param
        yield found


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_positions_with_emoji_tabs_and_line_ends(counting, tmp_path, end, mark):
    text = (
        f"{mark}import torch\n\n\ndef f(a, é):\n\tif True:\n\t\th, s = torch.sigmoid(a), '😀漢'; h += é; t = '😀'\n"
        "\t\tg = torch.sigmoid(h); '''😀\n\x0c'''; g *= 2  # 😀\n\t\treturn g, s, t\n"
    ).replace("\n", end)
    uri = counting.open(tmp_path / "ü 😀.py", text)

    found = counting.diagnostics(uri)

    assert told(counting, uri, found) == [("FIP101", "h += é"), ("FIP101", "g *= 2")]
    counting.do(uri, found[1]["range"], "Rewrite as")
    counting.do(uri, counting.spot(uri, "h += é"), "Rewrite as")
    assert counting.texts[uri] == text.replace("h += é", "h = h + é").replace("g *= 2", "g = g * 2")
    counting.shut(uri)


@pytest.mark.parametrize("uri", ["untitled:Untitled-1", "file:///nowhere/at%20all/m%C3%BCller%25.py"])
def test_documents_without_a_file(client, uri):
    client.open(uri, PROGRAM)

    assert told(client, uri, client.diagnostics(uri)) == RULES
    client.do(uri, client.spot(uri, "h += skip"), "Rewrite as")
    assert "h = h + skip" in client.texts[uri]
    client.shut(uri)


@pytest.mark.parametrize("uri", ["vscode-notebook-cell:/a/b.ipynb#W0sZmlsZQ", "git:/a/b.py?HEAD"])
def test_cells_and_other_views_are_left_alone(client, uri):
    client.open(uri, PROGRAM)
    assert client.actions(uri, client.spot(uri, "h += skip")) == []

    client.pump(0.5)

    assert client.last(uri) is None
    client.shut(uri)


def test_one_document_under_two_spellings_of_its_uri(client, tmp_path):
    uri = client.open(tmp_path / "a b.py", PROGRAM)
    other = uri.replace("%20", " ")

    client.notify(
        "textDocument/didChange",
        {"textDocument": {"uri": other, "version": 2}, "contentChanges": [{"text": PROGRAM.replace("h += skip", "")}]},
    )
    client.texts[uri] = PROGRAM.replace("h += skip", "")
    client.versions[uri] = 2

    assert told(client, uri, client.diagnostics(uri)) == RULES[1:]
    client.shut(uri)


def test_what_was_never_opened_is_no_error(client, tmp_path):
    uri = (tmp_path / "never.py").as_uri()
    where = {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}

    client.notify("textDocument/didChange", {"textDocument": {"uri": uri, "version": 2}, "contentChanges": []})
    client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})

    assert client.actions(uri, where) == []
    assert client.request("textDocument/hover", {"textDocument": {"uri": uri}, "position": where["start"]}) is None
    assert client.request("textDocument/codeLens", {"textDocument": {"uri": uri}}) == []


def test_a_huge_file_is_left_alone_and_that_is_said_once(tmp_path):
    with editor(tmp_path, options={"maxSize": 500}) as client:
        uri = client.open(tmp_path / "big.py", PROGRAM + "#" * 500)
        assert client.diagnostics(uri) == []
        client.change(uri, PROGRAM + "#" * 501)
        assert client.diagnostics(uri) == []

        assert [line for line in client.logged() if "maxSize" in line] == client.logged()
        assert len(client.logged()) == 1
        client.change(uri, PROGRAM)
        assert len(client.diagnostics(uri)) == 2


def test_looking_executes_nothing(tmp_path):
    marker = tmp_path / "marker"
    begin = f"import pathlib\npathlib.Path({str(marker)!r}).touch()\n"
    text = f"{begin}{PROGRAM}\nif __name__ == '__main__':\n    forward(torch.ones(2, requires_grad=True), 2)\n"
    path = tmp_path / "model.py"
    path.write_text(text)
    with editor(tmp_path) as client:
        uri = client.open(path)
        assert len(client.diagnostics(uri)) == 2
        for action in client.actions(uri, client.spot(uri, "h += skip")):
            if "command" not in action:
                client.resolve(action)
        client.request("textDocument/hover", {"textDocument": {"uri": uri}, "position": client.position(uri, 100)})
        client.do(uri, client.spot(uri, "h += skip"), "Fix all")
        client.notify("textDocument/didSave", {"textDocument": {"uri": uri}})
        client.pump(1)

    assert not marker.exists()


def test_pulled_or_pushed_but_never_both(tmp_path):
    with editor(tmp_path, capabilities=capabilities(pull=True)) as client:
        uri = client.open(tmp_path / "model.py", PROGRAM)

        assert client.server["diagnosticProvider"]["identifier"] == "fixinplace"
        assert told(client, uri, client.pull(uri)) == RULES
        client.change(uri, PROGRAM.replace("h += skip", "pass"))
        assert told(client, uri, client.pull(uri)) == RULES[1:]
        client.shut(uri)
        assert client.pull(uri) == []
        client.pump(0.3)
        assert client.last(uri) is None
    with editor(tmp_path) as client:
        assert "diagnosticProvider" not in client.server
        assert "diagnostic" not in FULL["textDocument"]


def test_a_pull_waits_for_the_text_to_rest_and_answers_for_the_newest(tmp_path):
    with editor(tmp_path, capabilities=capabilities(pull=True)) as client:
        uri = client.open(tmp_path / "model.py", PROGRAM)
        first = client.ask("textDocument/diagnostic", {"textDocument": {"uri": uri}})
        client.change(uri, PROGRAM.replace("h += skip", "pass"))
        second = client.ask("textDocument/diagnostic", {"textDocument": {"uri": uri}})

        for number in (first, second):
            found = client.answer(number)["items"]
            assert told(client, uri, found) in (RULES, RULES[1:])
        assert told(client, uri, found) == RULES[1:]
