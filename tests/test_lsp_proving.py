"""Prove and apply, find the culprit: what runs only because the user asked, what comes of it, and how it ends."""

from __future__ import annotations

import os
import signal

import pytest
from announcing import capabilities
from edited import FIXED, PAIR, PROGRAM, SLOW
from editing import Answer, Editor, Json, editor
from processes_of import descendants, ends, running

PROVE = "fixinplace.prove"


def lenses(client: Editor, uri: str) -> list[tuple[str, str]]:
    found = client.request("textDocument/codeLens", {"textDocument": {"uri": uri}})
    rows = client.texts[uri].splitlines()
    return [(each["command"]["title"], rows[each["range"]["start"]["line"]].strip()) for each in found]


def hover(client: Editor, uri: str, needle: str) -> str | None:
    place = client.spot(uri, needle)["start"]
    found = client.request("textDocument/hover", {"textDocument": {"uri": uri}, "position": place})
    return None if found is None else str(found["contents"]["value"])


def prove_action(client: Editor, uri: str, needle: str) -> Json:
    found: Json = client.action(uri, client.spot(uri, needle), "Prove and apply: ")
    return found


def test_what_is_proved_is_applied_to_the_version_that_was_proved(client, here):
    uri = here(PROGRAM)

    result = client.do(uri, client.spot(uri, "h += skip"), "Prove and apply: ")

    assert (result["verdict"], result["applied"]) == ("proved", True)
    assert client.texts[uri] == FIXED
    assert client.applied[-1]["documentChanges"][0]["textDocument"]["version"] == 1
    assert client.diagnostics(uri) == []
    assert client.said()[-1].startswith("fixinplace: proved: 3 values and 2 gradients equal to the reference")


@pytest.mark.slow
def test_lens_and_finding_tell_of_the_proof_while_the_text_is_the_one_that_ran(client, here):
    uri = here(PROGRAM)
    assert lenses(client, uri) == []
    client.do(uri, client.spot(uri, "h += skip"), "Prove and apply: ")

    assert lenses(client, uri) == [("proved · 12 checks", "h = h + skip")]
    told = hover(client, uri, "h = h + skip")
    assert told is not None and told.startswith("proved: 3 values and 2 gradients equal to the reference")
    assert hover(client, uri, "return h.sum()") is None
    client.change(uri, FIXED + "\n")
    assert hover(client, uri, "h = h + skip") is None
    assert lenses(client, uri) == []
    client.change(uri, PROGRAM)
    assert lenses(client, uri) == [("proved · 12 checks", "h += skip")]

    (found,) = client.diagnostics(uri)
    assert "\nproved: 3 values and 2 gradients equal" in found["message"]
    action = client.action(uri, client.spot(uri, "h += skip"), "Rewrite")
    assert (action["title"], action["isPreferred"]) == ("Rewrite as `h = h + skip` (proved)", True)
    assert [
        a["title"] for a in client.actions(uri, client.spot(uri, "h += skip")) if "Prove and apply:" in a["title"]
    ] == []


def test_the_buffer_is_proved_and_not_what_the_disk_has(client, here):
    uri = here(PROGRAM, disk="raise SystemExit('the disk was run')\n")

    assert client.do(uri, client.spot(uri, "h += skip"), "Prove and apply: ")["verdict"] == "proved"


@pytest.mark.slow
def test_other_open_documents_are_run_as_the_editor_shows_them(client, here):
    model = "import torch\n\n\ndef forward(a, skip):\n    h = torch.sigmoid(a)\n    h += skip\n    return h.sum()\n"
    script = (
        "import torch\nimport model\n\n\nif __name__ == '__main__':\n    weight = torch.ones(3, requires_grad=True)\n"
        "    model.forward(weight * 2, torch.ones(3)).backward()\n    x = weight * 2\n    x += 1\n"
    )
    here(script, "train.py", disk="raise SystemExit('the disk was run')\n")
    uri = here(model, "model.py", disk="")

    result = client.do(uri, client.spot(uri, "h += skip"), "Prove and apply: ")

    assert result["verdict"] == "proved", result


def test_what_is_refuted_is_told_with_the_difference_and_never_applied(client, here):
    text = PROGRAM.replace(
        "    h += skip\n    return", "    h += skip\n    seen.append(h.data_ptr() == kept)\n    return"
    )
    text = text.replace("    h = torch.sigmoid(a)\n", "    h = torch.sigmoid(a)\n    kept = h.data_ptr()\n")
    text = text.replace("import torch\n", "import torch\n\nseen = []\n") + "    print(seen)\n"
    uri = here(text)
    quick = client.action(uri, client.spot(uri, "h += skip"), "Rewrite")

    result = client.do(uri, client.spot(uri, "h += skip"), "Prove and apply: ")

    assert (result["verdict"], result["applied"]) == ("refuted", False), result
    assert client.texts[uri] == text
    found = client.last(uri)[0]
    assert found["message"].splitlines()[1].startswith("refuted ")
    assert found["severity"] == 3
    assert result["message"].startswith("refuted ("), result
    assert result["message"].endswith("; not applied"), result
    beginnings = [a["title"].split(" ")[0] for a in client.actions(uri, client.spot(uri, "h += skip"))]
    assert beginnings == ["Ignore", "Explain", "Run"]  # nothing is left to fix or to prove, alone or with all
    with pytest.raises(Answer):
        client.resolve(quick)


def test_without_anything_to_run_a_safe_fix_is_applied_and_that_is_said(client, here):
    uri = here(PROGRAM.partition("if __name__")[0])

    result = client.do(uri, client.spot(uri, "h += skip"), "Prove and apply: ")

    assert (result["verdict"], result["applied"]) == ("safe", True)
    assert "no-probe" in result["message"]


def test_a_document_without_a_file_has_nothing_to_run(client):
    uri = client.open("untitled:Untitled-1", PROGRAM)

    result = client.do(uri, client.spot(uri, "h += skip"), "Prove and apply: ")

    assert result["verdict"] == "safe"
    client.shut(uri)


@pytest.mark.slow
def test_fixes_that_only_hold_together_are_offered_together(client, here):
    text = PAIR
    uri = here(text)

    result = client.do(uri, client.spot(uri, "h += skip"), "Prove and apply: ")

    assert (result["verdict"], result["applied"]) == ("proved", False), result
    assert "together with the fixes of lines 6, 8" in result["message"]
    assert client.texts[uri] == text
    action = client.action(uri, client.spot(uri, "h += skip"), "Apply the 2 fixes")
    assert action["isPreferred"]
    client.do(uri, client.spot(uri, "h += skip"), "Apply the 2 fixes")
    assert client.texts[uri] == text.replace("h += skip", "h = h + skip").replace("g *= skip", "g = g * skip")


@pytest.mark.slow
def test_all_of_a_file_is_proved_and_applied(client, here):
    text = PAIR
    uri = here(text)

    result = client.do(uri, client.spot(uri, "import torch\n"), "Prove and apply all")

    assert result["applied"]
    assert "proved 2" in result["message"]
    assert client.texts[uri] == text.replace("h += skip", "h = h + skip").replace("g *= skip", "g = g * skip")
    assert [title for title, _ in lenses(client, uri)] == ["proved · 12 checks"] * 2


@pytest.mark.slow
def test_where_the_run_came_to_nothing_no_action_says_that_anything_was_proved(client, here, tmp_path):
    stopped = f"    open({str(tmp_path / 'mark')!r}, 'w').write('x')\n    weight ="
    text = PAIR
    text = text.replace("    weight =", stopped)
    uri = here(text)

    result = client.do(uri, client.spot(uri, "import torch\n"), "Prove and apply all")

    assert not result["applied"] and "nothing was proved" in result["message"]
    assert "lines 6, 8: not proved (probe-failed): " in result["message"], result
    alone = client.do(uri, client.spot(uri, "h += skip"), "Prove and apply: ")
    assert alone["message"].startswith("not proved (probe-failed): "), alone
    titles = [action["title"] for action in client.actions(uri, client.spot(uri, "h += skip"))]
    assert titles and not any("proved together" in title for title in titles), titles


# --- what gets in between


def test_typing_while_proving_ends_the_proof_and_applies_nothing(client, here):
    uri = here(SLOW)
    action = prove_action(client, uri, "h += skip")
    number = client.ask("workspace/executeCommand", action["command"])
    child = running(client)

    client.change(uri, SLOW + "# a\n")
    client.change(uri, SLOW + "# ab\n")

    result = client.answer(number, 30)
    assert not result["applied"] and "changed while it was being proved" in result["message"]
    assert client.texts[uri] == SLOW + "# ab\n"
    assert ends(child)


@pytest.mark.slow
def test_an_edit_for_another_version_is_not_applied(client, here):
    uri = here(PROGRAM)
    client.refuse_edits = True

    result = client.do(uri, client.spot(uri, "h += skip"), "Prove and apply: ")

    client.refuse_edits = False
    assert not result["applied"] and "did not apply" in result["message"]
    assert "\nproved: " in client.last(uri)[0]["message"]
    client.do(uri, client.spot(uri, "h += skip"), "Rewrite")
    assert client.texts[uri] == FIXED


def test_a_command_for_a_text_that_has_passed_runs_nothing(client, here):
    uri = here(PROGRAM)
    action = prove_action(client, uri, "h += skip")
    client.change(uri, "#\n" + PROGRAM)

    result = client.command(action["command"]["command"], *action["command"]["arguments"])

    assert not result["applied"] and "ask again" in result["message"]


def test_the_user_may_cancel(client, here):
    uri = here(SLOW)
    since = len(client.received)
    number = client.ask("workspace/executeCommand", prove_action(client, uri, "h += skip")["command"])
    child = running(client)
    begun = client.wait(lambda m: m.get("method") == "$/progress", since=since)["params"]
    assert begun["value"]["kind"] == "begin" and begun["value"]["cancellable"]

    client.notify("window/workDoneProgress/cancel", {"token": begun["token"]})

    with pytest.raises(Answer) as failed:
        client.answer(number, 20)
    assert failed.value.code == -32800
    client.wait(lambda m: m.get("method") == "$/progress" and m["params"]["value"]["kind"] == "end", 5, since)
    assert ends(child)
    assert client.texts[uri] == SLOW


@pytest.mark.slow
def test_cancelling_the_request_ends_the_child(client, here):
    uri = here(SLOW)
    number = client.ask("workspace/executeCommand", prove_action(client, uri, "h += skip")["command"])
    child = running(client)

    client.notify("$/cancelRequest", {"id": number})

    with pytest.raises(Answer):
        client.answer(number, 20)
    assert ends(child)


@pytest.mark.parametrize("which", [0, -1], ids=["the child", "the program"])
def test_killing_while_proving_is_told_and_leaves_nothing(client, here, which):
    uri = here(SLOW if which == 0 else SLOW.replace("sleep(60)", "sleep(20)"))
    before = client.texts[uri]
    number = client.ask("workspace/executeCommand", prove_action(client, uri, "h += skip")["command"])
    child = running(client)

    os.kill(child[which], signal.SIGKILL)

    if which == 0:
        result = client.answer(number, 30)
        assert "killed by SIGKILL" in result["message"] and not result["applied"]
        assert client.texts[uri] == before
        assert "overwrites `h`\nfix: " in client.last(uri)[0]["message"]
    else:
        client.notify("$/cancelRequest", {"id": number})
        with pytest.raises(Answer):
            client.answer(number, 30)
    assert ends(child)


@pytest.mark.slow
def test_closing_the_document_ends_its_proof(client, here):
    uri = here(SLOW)
    number = client.ask("workspace/executeCommand", prove_action(client, uri, "h += skip")["command"])
    child = running(client)

    client.shut(uri)

    result = client.answer(number, 30)
    assert not result["applied"] and "the document was closed while it was being proved" in result["message"]
    assert ends(child)


@pytest.mark.parametrize("how", ["close", "type"])
def test_a_text_that_passes_before_the_proof_has_begun_is_not_run(client, here, tmp_path, how):
    """The editor takes its time to answer, here with the progress that it is asked to show."""
    marker = tmp_path / "marker"
    uri = here(PROGRAM.replace("    weight =", f"    open({str(marker)!r}, 'w')\n    weight ="))
    action = prove_action(client, uri, "h += skip")
    serve = client._serve

    def late(method, params):
        if method == "window/workDoneProgress/create":
            client.shut(uri) if how == "close" else client.change(uri, PROGRAM)
            client.pump(0.3)
        return serve(method, params)

    client._serve = late
    try:
        result = client.command(action["command"]["command"], *action["command"]["arguments"])
    finally:
        client._serve = serve

    said = "closed" if how == "close" else "changed"
    assert not result["applied"] and f"{said} while it was being proved" in result["message"]
    assert not marker.exists()
    assert descendants(client.process.pid) == []


@pytest.mark.parametrize("how", ["shutdown", "exit", "vanish", "terminate", "kill"])
def test_no_process_outlives_the_server(tmp_path, how):
    with editor(tmp_path) as client:
        uri = client.open(tmp_path / "model.py", SLOW)
        client.ask("workspace/executeCommand", prove_action(client, uri, "h += skip")["command"])
        child = running(client)
        assert client.process.stdin is not None

        if how == "shutdown":
            assert client.close() == 0
        elif how == "exit":
            client.send({"method": "exit"})
            assert client.process.wait(20) == 1
        elif how == "vanish":
            client.process.stdin.close()
            client.process.wait(20)
        else:
            client.process.send_signal(signal.SIGTERM if how == "terminate" else signal.SIGKILL)
            client.process.wait(20)

        assert ends(child)


def test_a_client_without_progress_gets_none(tmp_path):
    with editor(tmp_path, capabilities=capabilities(without=("window",))) as client:
        uri = client.open(tmp_path / "model.py", PROGRAM.partition("if __name__")[0])

        assert client.do(uri, client.spot(uri, "h += skip"), "Prove and apply: ")["applied"]

        assert not [m for m in client.received if m.get("method") in ("$/progress", "window/workDoneProgress/create")]


@pytest.mark.parametrize(
    "arguments",
    [[], [{}], ["file:///never.py"], [None], [{"uri": 7}], [{"uri": "untitled:x", "version": "a", "digest": "b"}]],
)
def test_odd_arguments_are_answered(client, arguments):
    result = client.command(PROVE, *arguments)

    assert not result["applied"] and result["message"]
