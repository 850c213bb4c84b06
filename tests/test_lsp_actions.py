"""Actions: what is offered where, what its edit does to the text, and that none is for a text that has passed."""

from __future__ import annotations

from pathlib import Path

import pytest
from announcing import capabilities
from editing import Answer, Editor, editor

from fixinplace import config, files
from fixinplace.lsp import ignoring
from fixinplace.pipeline import Policy, analyse, fix
from fixinplace.source import parse

PROGRAM = """\
import torch


def forward(a, skip):
    h = torch.sigmoid(a)
    h += skip
    return h.sum()


def shift(scores, limit):
    scores = torch.sigmoid(scores)
    keep = [[scores]]
    scores += limit
    return keep[0][0] + scores


def argument(scores):
    scores.clamp_(max=1)
    return scores / 2
"""
STALE = -32801
FAILED = -32803
COMMENT = "# fixinplace: ignore[augmented-name] written in place on purpose"


def titles(client: Editor, uri: str, needle: str, only: list[str] | None = None) -> list[str]:
    return [action["title"] for action in client.actions(uri, client.spot(uri, needle), only)]


def test_a_safe_fix_is_preferred_and_says_so(client, here):
    uri = here(PROGRAM)

    action = client.action(uri, client.spot(uri, "h += skip"), "Rewrite")

    assert action["title"] == "Rewrite as `h = h + skip` (safe)"
    assert (action["kind"], action["isPreferred"]) == ("quickfix", True)
    assert [each["code"] for each in action["diagnostics"]] == ["FIP101"]
    assert "edit" not in action
    (document,) = client.resolve(action)["edit"]["documentChanges"]
    assert document["textDocument"] == {"uri": uri, "version": 1}
    assert [(client.at(uri, e["range"]), e["newText"]) for e in document["edits"]] == [("+=", "= h +")]


def test_an_unsafe_fix_says_so_and_is_not_preferred(client, here):
    uri = here(PROGRAM)

    (action,) = [a for a in client.actions(uri, client.spot(uri, "scores.clamp_")) if "unsafe" in a["title"]]

    assert action["title"].endswith("(unsafe: not proved)")
    assert "isPreferred" not in action
    client.do(uri, client.spot(uri, "scores.clamp_"), "Rewrite")
    assert "scores = scores.clamp(max=1)" in client.texts[uri]


def test_what_is_refused_has_no_fix(client, here):
    uri = here(PROGRAM)

    assert titles(client, uri, "scores += limit", ["quickfix"]) == [
        "Ignore augmented-name here, with a reason", "Explain augmented-name",
    ]  # fmt: skip


def test_lines_without_a_finding_offer_no_fix(client, here):
    uri = here(PROGRAM)

    assert titles(client, uri, "return h.sum()", ["quickfix"]) == []
    assert "h = h + skip" not in str(titles(client, uri, "import torch"))


@pytest.mark.parametrize(
    ("only", "kinds"),
    [
        (["source.fixAll"], {"source.fixAll.fixinplace"}),
        (["source.fixAll.fixinplace"], {"source.fixAll.fixinplace"}),
        (["source.fixAll.ruff"], set()),
        (["source.fixA"], set()),
        (["refactor"], set()),
        (["quickfix"], {"quickfix"}),
        (["source"], {"source.fixAll.fixinplace", "source.proveAll.fixinplace"}),
        ([], {"quickfix", "source.fixAll.fixinplace", "source.proveAll.fixinplace"}),
    ],
)
def test_only_the_kinds_that_are_asked_for(client, here, only, kinds):
    uri = here(PROGRAM)

    assert {action["kind"] for action in client.actions(uri, client.spot(uri, "h += skip"), only)} == kinds


def test_fix_all_writes_what_the_command_writes(client, here):
    uri = here(PROGRAM)

    client.do(uri, client.spot(uri, "import torch"), "Fix all", ["source.fixAll"])

    written = fix(parse("model.py", PROGRAM.encode()), config.selected((), ()), Policy(), None).text
    assert client.texts[uri] == written != PROGRAM
    assert titles(client, uri, "import torch", ["source.fixAll"]) == []


def test_fix_all_edits_only_what_it_changes(client, here):
    uri = here(PROGRAM + "# end\n" * 1000)

    action = client.resolve(client.action(uri, client.spot(uri, "import torch"), "Fix all"))

    (document,) = action["edit"]["documentChanges"]
    assert sum(len(e["newText"]) for e in document["edits"]) < 50


@pytest.mark.parametrize("path", sorted(Path(__file__).parent.parent.glob("corpus/*.py")), ids=lambda path: path.stem)
def test_fix_all_of_the_corpus(client, path, tmp_path):
    source = files.read(str(path))
    text = source.part.text
    uri = client.open(tmp_path / path.name, text)
    result = fix(files.of_text(str(tmp_path / path.name), text, True), config.selected((), ()), Policy(), None)

    if result.changed:
        client.do(uri, {"start": client.position(uri, 0), "end": client.position(uri, 0)}, "Fix all", ["source.fixAll"])

    assert client.texts[uri] == result.text
    client.shut(uri)


def test_ignoring_here_takes_the_finding_away(client, here):
    uri = here(PROGRAM)

    client.do(uri, client.spot(uri, "h += skip"), "Ignore augmented-name here")

    assert "    h += skip  # fixinplace: ignore[augmented-name] written in place on purpose\n" in client.texts[uri]
    left = [client.at(uri, each["range"]) for each in client.diagnostics(uri)]
    assert left == ["scores += limit", "scores.clamp_(max=1)"]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("h += skip  # why", f"h += skip  # why  {COMMENT}"),
        ("h += skip   ", f"h += skip  {COMMENT}"),
        ("h += skip; h.mul_(2)  # fixinplace: ignore[underscore-method] b",
         "h += skip; h.mul_(2)  # fixinplace: ignore[underscore-method, augmented-name] b"),
        ("h += f('''\n  x''')", f"h += f('''\n  x''')  {COMMENT}"),
        ("h += \\\n        skip", f"h += \\\n        skip  {COMMENT}"),
    ],
)  # fmt: skip
def test_where_the_comment_stands(client, here, line, wanted):
    text = PROGRAM.replace("h += skip", line).replace("import torch\n", "import torch\nfrom here import f\n")
    uri = here(text)

    client.do(uri, client.spot(uri, "h += "), "Ignore augmented-name here")

    assert client.texts[uri] == text.replace(line, wanted)
    assert "h +=" not in "".join(client.at(uri, each["range"]) for each in client.diagnostics(uri))


def test_where_no_comment_can_stand_there_is_no_edit(client, here):
    uri = here(PROGRAM.replace("h += skip", "h += skip; '''\n'''"))

    with pytest.raises(Answer) as failed:
        client.do(uri, client.spot(uri, "h += skip"), "Ignore augmented-name here")

    assert failed.value.code == FAILED


def test_explaining_shows_the_page(client, here):
    uri = here(PROGRAM)
    since = len(client.received)

    text = client.do(uri, client.spot(uri, "h += skip"), "Explain augmented-name")

    assert text.startswith("# augmented-name (FIP101)")
    shown = client.wait(lambda m: m.get("method") == "window/showDocument", since=since)
    assert shown["params"]["uri"].endswith("FIP101-augmented-name.md")


@pytest.mark.parametrize("beginning", ["Rewrite", "Ignore", "Fix all"])
def test_an_action_for_a_text_that_has_passed_is_refused(client, here, beginning):
    uri = here(PROGRAM)
    action = client.action(uri, client.spot(uri, "h += skip"), beginning)

    client.replace(uri, "import torch", "import torch\n")

    with pytest.raises(Answer) as failed:
        client.resolve(action)
    assert failed.value.code == STALE


def test_an_action_is_for_one_version_also_where_the_text_came_back(client, here):
    uri = here(PROGRAM)
    action = client.action(uri, client.spot(uri, "h += skip"), "Rewrite")
    client.change(uri, PROGRAM + "#")
    client.change(uri, PROGRAM)

    with pytest.raises(Answer) as failed:
        client.resolve(action)
    assert failed.value.code == STALE


def test_a_version_that_comes_twice_is_told_by_its_text(client, here):
    uri = here(PROGRAM)
    action = client.action(uri, client.spot(uri, "h += skip"), "Rewrite")
    client.shut(uri)
    here("#\n" + PROGRAM)

    with pytest.raises(Answer) as failed:
        client.resolve(action)

    assert failed.value.code == STALE


def test_an_action_for_a_version_that_has_passed_is_refused_though_the_text_is_back(client, here):
    uri = here(PROGRAM)
    action = client.action(uri, client.spot(uri, "h += skip"), "Rewrite")

    client.change(uri, PROGRAM + "#")
    client.change(uri, PROGRAM)

    with pytest.raises(Answer) as failed:
        client.resolve(action)
    assert failed.value.code == STALE


def test_an_action_of_a_closed_document_is_refused(client, here):
    uri = here(PROGRAM)
    action = client.action(uri, client.spot(uri, "h += skip"), "Rewrite")
    client.shut(uri)

    with pytest.raises(Answer) as failed:
        client.resolve(action)

    assert failed.value.code == STALE


def test_undo_brings_finding_and_action_back(client, here):
    uri = here(PROGRAM)
    client.do(uri, client.spot(uri, "h += skip"), "Rewrite")
    assert len(client.diagnostics(uri)) == 2

    client.change(uri, PROGRAM)

    assert len(client.diagnostics(uri)) == 3
    client.do(uri, client.spot(uri, "h += skip"), "Rewrite")
    assert "h = h + skip" in client.texts[uri]


def test_fixes_that_would_overlap_are_never_both_applied(client, here):
    uri = here("import torch\n\n\ndef f(a):\n    h = torch.sigmoid(a)\n    h.add_(1).mul_(2).relu_()\n    return h\n")
    where = client.spot(uri, "h.add_")

    client.do(uri, where, "Fix all", ["source.fixAll"])

    assert "    h = h.add(1).mul(2).relu()\n" in client.texts[uri]


def test_a_client_that_cannot_resolve_or_take_versions_gets_plain_edits_at_once(tmp_path):
    without = ("textDocument.codeAction", "workspace.workspaceEdit")
    with editor(tmp_path, capabilities=capabilities(without=without)) as client:
        uri = client.open(tmp_path / "model.py", PROGRAM)

        action = client.action(uri, client.spot(uri, "h += skip"), "Rewrite")

        assert list(action["edit"]) == ["changes"]
        client.do(uri, client.spot(uri, "h += skip"), "Rewrite")
        assert "h = h + skip" in client.texts[uri]


def test_hover_tells_rule_fix_cost_and_why(client, here):
    uri = here(PROGRAM)
    place = client.spot(uri, "h += skip")["start"]

    found = client.request("textDocument/hover", {"textDocument": {"uri": uri}, "position": place})

    assert client.at(uri, found["range"]) == "h += skip"
    said = found["contents"]["value"]
    assert said.startswith("**augmented-name** (FIP101): an augmented assignment")
    assert "fix: rewrite as `h = h + skip` (safe" in said
    assert "cost of the rewrite: one more tensor" in said
    assert "version counter" in said
    away = client.spot(uri, "import torch")["start"]
    assert client.request("textDocument/hover", {"textDocument": {"uri": uri}, "position": away}) is None


@pytest.mark.parametrize(
    ("comment", "left"),
    [
        ("  # fixinplace: ignore[data-write] old", ""),
        ("  # fixinplace: ignore", ""),
        ("  # why  # fixinplace: ignore[nothing]", "  # why"),
        ("  # fixinplace: ignore[data-write] see #12  # noqa: E501", "  # noqa: E501"),
        ("  # fixinplace: ignore[data-write, augmented-subscript]", ""),
    ],
)  # fmt: skip
def test_an_unused_ignore_comment_can_be_removed(client, here, comment, left):
    text = PROGRAM.replace("return h.sum()", f"return h.sum(){comment}")
    uri = here(text)
    where = client.spot(uri, "return h.sum()")

    action = client.action(uri, where, "Remove")

    assert action["title"] == "Remove the unused ignore comment"
    assert {each["code"] for each in action["diagnostics"]} == {"FIP903"}
    client.do(uri, where, "Remove")
    assert client.texts[uri] == text.replace(comment, left)
    assert "FIP903" not in [each["code"] for each in client.diagnostics(uri)]
    assert not [title for title in titles(client, uri, "return h.sum()") if title.startswith("Remove")]


def test_only_what_is_unused_of_an_ignore_comment_is_removed(client, here):
    line = "h += skip  # fixinplace: ignore[data-write, augmented-name] why"
    uri = here(PROGRAM.replace("h += skip", line))

    client.do(uri, client.spot(uri, "h += skip"), "Remove the unused rules of the ignore comment")

    assert line.replace("data-write, ", "") in client.texts[uri]
    assert not [each for each in client.diagnostics(uri) if each["code"] == "FIP903"]
    assert not [title for title in titles(client, uri, "h += skip") if title.startswith("Remove")]


def test_a_line_that_is_only_an_unused_ignore_comment_goes(client, here):
    uri = here(PROGRAM.replace("    return h.sum()", "    # fixinplace: ignore\n    return h.sum()"))

    client.do(uri, client.spot(uri, "# fixinplace"), "Remove")

    assert client.texts[uri] == PROGRAM


@pytest.mark.parametrize("comment", ["# fixinplace: ignroe[data-write]", "# fixinplace: off"])
def test_a_comment_that_is_not_understood_is_not_removed(client, here, comment):
    uri = here(PROGRAM.replace("return h.sum()", f"return h.sum()  {comment}"))

    assert "FIP903" in [each["code"] for each in client.diagnostics(uri)]
    assert not [title for title in titles(client, uri, "return h.sum()") if title.startswith("Remove")]


@pytest.mark.parametrize("comment", ["# fixinplace: ignore", "# fixinplace: ignore[augmented-name] why"])
def test_a_comment_that_is_used_cannot_be_removed(comment):
    text = PROGRAM.replace("h += skip", f"h += skip  {comment}")
    enabled = config.selected((), ())
    source = parse("model.py", text.encode())
    place = source.part.position(text.index(comment))

    assert ignoring.removal(source.part, analyse(source, enabled), enabled, place) is None
