"""`migrate`: the same as `fix`, in parallel, journaled, resumable, and never over somebody else's change."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from campaigns import CLEAN, SAFE, STATIC, engine_with, git, run, started, texts, tree

from fixinplace.campaign.engines import Local
from fixinplace.campaign.journal import Journal, JournalError
from fixinplace.campaign.pool import Guard
from fixinplace.campaign.run import Limit
from fixinplace.campaign.unit import Judging
from fixinplace.commands.migrate import Going, Target
from fixinplace.config import BadConfig
from fixinplace.pipeline import Mode

JOURNAL = Path(".fixinplace/campaign.sqlite")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


def errors(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


# --- the same as `fix`


@pytest.mark.parametrize("jobs", [1, 3])
def test_it_writes_and_counts_what_fix_does(jobs: int, command, tmp_path: Path, capsys, monkeypatch):
    tree(tmp_path / "fixed")
    tree(tmp_path / "migrated")
    monkeypatch.chdir(tmp_path / "fixed")
    fixed = command("fix", "pkg", "--verify", "off")
    monkeypatch.chdir(tmp_path / "migrated")

    code = run(engine=Local(jobs))

    assert code == fixed.exit_code == 2
    assert texts(tmp_path / "migrated") == texts(tmp_path / "fixed")
    assert texts(tmp_path / "fixed") != tree(tmp_path / "again")
    told = errors(capsys).splitlines()
    assert told[-2:] == fixed.stderr.splitlines()[-2:]
    assert told[0].startswith("pkg/broken.py:1:5  FIP901 syntax-error  ")


@pytest.mark.slow
def test_it_proves_what_fix_proves_together(command, tmp_path: Path):
    from test_commands_together import MODEL, TRAIN, write

    write({"model.py": MODEL, "train.py": TRAIN, "other.py": CLEAN})

    result = command("migrate", "--verify", "require", "--no-cache", "--quiet")

    assert "fixed 2 (proved 2, safe 0, unproved 0) in 2 of 3 files" in result.stderr
    assert "h = h + 1" in Path("model.py").read_text()
    assert result.exit_code == 0


def test_the_journal_is_invisible_to_git(folder: Path):
    tree(folder)
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "x")

    run(target=Target(diff=True))

    assert subprocess.run(["git", "status", "--porcelain"], capture_output=True, check=True).stdout == b""


# --- going on


@pytest.mark.parametrize("after", [1, 5, 14])
def test_a_stopped_campaign_goes_on_to_the_same_end(after: int, tmp_path: Path, capsys, monkeypatch):
    tree(tmp_path / "whole")
    tree(tmp_path / "stopped")
    monkeypatch.chdir(tmp_path / "whole")
    code = run()
    whole = errors(capsys)
    monkeypatch.chdir(tmp_path / "stopped")
    JOURNAL.parent.mkdir()
    started(JOURNAL, STATIC, after)

    assert run(going=Going(resume=True)) == code
    assert errors(capsys) == whole
    assert texts(tmp_path / "stopped") == texts(tmp_path / "whole")


COUNTING = """
import pathlib
import fixinplace.campaign.unit as unit
old = unit.Judge.answer
def answer(self, request):
    with pathlib.Path({seen!r}).open("a") as seen:
        seen.write("x")
    return old(self, request)
unit.Judge.answer = answer
"""


def test_what_is_judged_is_not_judged_again(folder: Path, tmp_path: Path):
    tree(folder)
    JOURNAL.parent.mkdir()
    started(JOURNAL, STATIC, 10)
    counting = COUNTING.format(seen=str(tmp_path / "seen"))

    run(going=Going(resume=True), engine=engine_with(counting, tmp_path))

    assert (tmp_path / "seen").read_text() == "x" * 5


def test_a_dry_run_is_written_by_resuming(folder: Path, capsys):
    before = tree(folder)
    assert run(target=Target(diff=True)) == 2
    diff = capsys.readouterr().out
    assert {name: text.decode() for name, text in texts(folder).items()} == before

    run(going=Going(resume=True))

    subprocess.run(["git", "apply", "-R", "-"], input=diff, text=True, check=True)
    assert {name: text.decode() for name, text in texts(folder).items()} == before


def test_a_campaign_that_has_not_ended_is_not_thrown_away(folder: Path):
    tree(folder)
    JOURNAL.parent.mkdir()
    started(JOURNAL, STATIC, 3)

    with pytest.raises(BadConfig, match="has not ended: --resume goes on"):
        run()


def test_a_campaign_goes_on_under_its_own_options_only(folder: Path):
    tree(folder)
    JOURNAL.parent.mkdir()
    started(JOURNAL, STATIC, 3)

    with pytest.raises(BadConfig, match=r"other options \(unsafe: false\)"):
        run(Judging(Mode.OFF, unsafe=True), going=Going(resume=True))


def test_a_probe_that_does_not_exist_leaves_no_campaign_behind(folder: Path):
    tree(folder)

    with pytest.raises(BadConfig, match="nowhere"):
        run(Judging(Mode.AUTO, probes=("nowhere.py",)))
    assert run() == 2


def test_there_is_nothing_to_go_on_with(folder: Path):
    with pytest.raises(BadConfig, match="no campaign to go on with"):
        run(going=Going(resume=True), paths=(".",))


def test_two_campaigns_do_not_share_a_journal(tmp_path: Path):
    with Journal(tmp_path / "j"), pytest.raises(JournalError, match="another `fixinplace migrate`"):
        Journal(tmp_path / "j")


def test_a_file_that_is_no_journal_stays(tmp_path: Path):
    (tmp_path / "j").write_text("not a database, and long enough to be looked at as one" * 50)

    with pytest.raises(JournalError, match="remove the file"):
        Journal(tmp_path / "j")
    assert (tmp_path / "j").read_text().startswith("not a database")


def test_a_unit_that_was_half_written_is_written_to_its_end(folder: Path):
    tree(folder)
    run(target=Target(diff=True))
    with sqlite3.connect(JOURNAL) as base:  # what a kill between the rename and the note of it leaves
        number, data = base.execute("SELECT file, data FROM results WHERE data IS NOT NULL ORDER BY file").fetchone()
        record, mark = (
            base.execute(query).fetchone()[0]
            for query in (
                f"SELECT record FROM files WHERE number = {number}",
                "SELECT value FROM meta WHERE key = 'mark'",
            )
        )
        base.execute("INSERT OR REPLACE INTO meta VALUES ('writing', 'true')")
    base.close()
    path = Path(json.loads(record)["path"])
    path.write_bytes(data)
    left = path.with_name(f".fixinplace-{json.loads(mark)}-abc")
    left.write_text("half")

    assert run(going=Going(resume=True)) == 2

    assert path.read_bytes() == data
    assert not left.exists()


# --- somebody else's changes


def test_a_file_that_changed_meanwhile_is_reported_and_left(folder: Path, capsys):
    tree(folder)
    run(target=Target(diff=True))
    capsys.readouterr()
    Path("pkg/part0/m00.py").write_text("theirs = 1\n")

    assert run(going=Going(resume=True)) == 2

    assert Path("pkg/part0/m00.py").read_text() == "theirs = 1\n"
    assert "h = h + 1" in Path("pkg/part0/m03.py").read_text()
    told = errors(capsys)
    assert "pkg/part0/m00.py:1:1  FIP905 unwritable  was changed by somebody else meanwhile" in told
    assert "in 11 of 15 files" in told


def test_a_file_that_changed_before_it_was_judged_is_reported_too(folder: Path, capsys):
    tree(folder)
    JOURNAL.parent.mkdir()
    started(JOURNAL, STATIC, 3)
    Path("pkg/part2/m11.py").write_text(SAFE.format(number="theirs"))

    run(going=Going(resume=True))

    assert Path("pkg/part2/m11.py").read_text() == SAFE.format(number="theirs")
    assert "pkg/part2/m11.py:1:1  FIP905" in errors(capsys)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda: Path("pkg/clean.py").write_text(CLEAN + "\n"), "pkg/clean.py"),
        (lambda: Path("pkg/new file.py").write_text(CLEAN), "pkg/new file.py"),
        (lambda: Path("notes.txt").write_text("changed"), "notes.txt"),
        (lambda: git("mv", "notes.txt", "other.txt"), "other.txt"),
        (lambda: Path("untracked.txt").write_text("not ours"), None),
        (lambda: Path(".fixinplace").mkdir(), None),
    ],
)
def test_a_dirty_tree_is_refused(change, told: str | None, folder: Path, command, monkeypatch):
    monkeypatch.chdir(folder)
    tree(folder)
    Path("notes.txt").write_text("text")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "x")
    before = texts(folder)
    change()

    result = command("migrate", "pkg", "--verify", "off", "--select", "FIP109", "--quiet")

    assert (f"is not committed: {told};" in result.stderr) == (told is not None)
    assert result.exit_code == 2  # also for the file that does not parse
    if told is not None:
        assert texts(folder).keys() >= before.keys() - {"notes.txt"}
        assert "--allow-dirty" in result.stderr


def test_a_dirty_tree_is_refused_when_a_dry_run_is_to_be_written(folder: Path):
    tree(folder, 2)
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "x")
    run(target=Target(diff=True))
    Path("pkg/clean.py").write_text(CLEAN + "\n")

    with pytest.raises(BadConfig, match=r"is not committed: pkg/clean\.py;"):
        run(going=Going(resume=True))


def test_a_dirty_tree_is_taken_if_told(folder: Path, command, monkeypatch):
    monkeypatch.chdir(folder)
    tree(folder, 2)
    git("init", "-q")

    assert "fixed 2 " in command("migrate", "pkg", "--verify", "off", "--allow-dirty", "--quiet").stderr


def test_a_place_that_cannot_be_written_is_told(folder: Path):
    tree(folder)
    Path("file").write_text("")

    with pytest.raises(BadConfig, match="no place for the journal"):
        run(going=Going(journal="file/journal.sqlite"))
    with pytest.raises(BadConfig, match="cannot be written"):
        run(target=Target(folder="file/out"))


def test_a_name_that_is_no_text_is_worked_on(folder: Path, capsys):
    name = os.fsdecode(b"m\xff\n .py")
    Path(name).write_text(SAFE.format(number=1))

    assert run(going=Going(report="out"), paths=(".",)) == 0

    assert "h = h + 1" in Path(name).read_text()
    assert "in 1 of 1 file" in errors(capsys)


# --- where texts go


def test_output_dir_holds_the_changed_files(folder: Path):
    before = tree(folder)

    run(target=Target(folder="out"))

    out = texts(folder / "out")
    assert sorted(out) == [f"pkg/part{n}/m{m:02}.py" for n in range(3) for m in range(n, 12, 3)]
    assert all(b"h = h + 1" in text for text in out.values())
    assert {name: Path(name).read_text() for name in before} == before


@pytest.mark.parametrize(
    ("by", "names"),
    [
        (None, ["all.patch"]),
        ("5", ["all-001.patch", "all-002.patch", "all-003.patch"]),
        ("folder", [f"all-00{n + 1}-pkg-part{n}.patch" for n in range(3)]),
        ("owner", ["all-001-a-team-b-team.patch", "all-002-nobody.patch"]),
    ],
)
def test_patches_give_what_writing_gives(by: str | None, names: list[str], folder: Path, capsys):
    tree(folder)
    git("init", "-q")
    Path("CODEOWNERS").write_text("# all\n/pkg/*  @other\n/pkg/part1/ @a/team @b-team # ours\n")

    run(target=Target(patch="patches/all.patch", by=by))

    assert sorted(path.name for path in Path("patches").iterdir()) == names
    for name in names:
        git("apply", f"patches/{name}")
    applied = texts(folder / "pkg")
    for name in names:
        git("apply", "-R", f"patches/{name}")
    run(going=Going(allow_dirty=True))
    assert texts(folder / "pkg") == applied


def test_a_number_of_changes_is_the_first_in_order(folder: Path, capsys):
    before = tree(folder)
    Path("pkg/broken.py").unlink()
    del before["pkg/broken.py"]

    assert run(going=Going(most=4), engine=Local(2)) == 1

    now = texts(folder)
    changed = sorted(name for name, text in before.items() if now[name].decode() != text)
    assert changed == ["pkg/part0/m00.py", "pkg/part0/m03.py", "pkg/part0/m06.py", "pkg/part0/m09.py"]
    assert re.search(r"left for another call \d+ \(--max-changes 4\)", errors(capsys))


@pytest.mark.parametrize(
    ("changes", "most", "cut"),
    [
        ([(0, 1), (1, 0), (2, 1), (3, 1)], 2, 3),
        ([(0, 1), (1, 2), (3, 1)], 2, 1),
        ([(0, 1), (1, None), (2, 5)], 1, 1),
        ([(0, 0), (1, None), (2, 5)], 1, None),
        ([(0, 1), (1, 1)], 2, None),
        ([(0, 9)], None, None),
    ],
)
def test_the_cut_follows_the_order_of_the_files(changes, most: int | None, cut: int | None):
    assert Limit(changes, most).cut == cut


def test_shards_share_the_work(folder: Path, tmp_path: Path, capsys, monkeypatch):
    tree(folder)
    counted = 0
    for number in (1, 2, 3):
        run(going=Going(shard=f"{number}/3"))
        counted += int(re.findall(r"in (\d+) of", errors(capsys))[0])
    tree(tmp_path / "whole")
    monkeypatch.chdir(tmp_path / "whole")
    run()

    assert counted == 12
    assert texts(folder) == texts(tmp_path / "whole")


@pytest.mark.parametrize("shard", ["0/2", "3/2", "2", "a/b", "-1/2"])
def test_a_shard_is_one_of_so_many(shard: str, folder: Path):
    with pytest.raises(BadConfig, match="I/N"):
        run(going=Going(shard=shard))


# --- what a unit may do to its worker

DEADLY = """
import fixinplace.campaign.unit as unit
old = unit.Judge.answer
def answer(self, request):
    if "m03" in request["files"][0]["path"]:
        {what}
    return old(self, request)
unit.Judge.answer = answer
"""


@pytest.mark.parametrize(
    ("what", "how"),
    [
        ("__import__('os').kill(__import__('os').getpid(), 9)", "it was killed by signal 9"),
        ("raise SystemExit('no more')", "it ended with exit code 1: no more"),
        pytest.param("__import__('time').sleep(60)", "it took more than 6 s (--unit-timeout)", marks=pytest.mark.slow),
        (
            "held = bytearray(600 << 20); __import__('time').sleep(60)",
            "it took more than 300 MB of memory (--max-memory)",
        ),
    ],
)
def test_a_file_that_kills_its_worker_is_quarantined(what: str, how: str, folder: Path, tmp_path: Path, capsys):
    before = tree(folder)
    seconds = 6.0 if "unit-timeout" in how else 60.0

    code = run(engine=engine_with(DEADLY.format(what=what), tmp_path, Guard(seconds, 300 << 20), jobs=2))

    told = errors(capsys)
    assert code == 2
    assert (
        f"pkg/part0/m03.py:1:1  FIP906 quarantined  the worker ended at it twice, and it is left alone: {how}" in told
    )
    assert "in 11 of 15 files" in told
    assert Path("pkg/part0/m03.py").read_text() == before["pkg/part0/m03.py"]


def test_a_file_that_kills_its_worker_once_is_tried_again(folder: Path, tmp_path: Path, capsys):
    tree(folder)
    mark = tmp_path / "mark"
    once = f"p = __import__('pathlib').Path({str(mark)!r}); p.exists() or (p.touch(), __import__('os')._exit(3))"

    run(engine=engine_with(DEADLY.format(what=once), tmp_path))

    assert "in 12 of 15 files" in errors(capsys)


def test_a_failure_of_ours_costs_its_unit_only(folder: Path, tmp_path: Path, capsys):
    tree(folder)

    code = run(engine=engine_with(DEADLY.format(what="raise RuntimeError('ours')"), tmp_path))

    told = errors(capsys)
    assert code == 2
    assert "pkg/part0/m03.py:1:1  FIP904 internal-error  RuntimeError: ours" in told
    assert "in 11 of 15 files" in told


def test_workers_that_cannot_start_end_the_campaign_with_what_they_said(folder: Path, tmp_path: Path, capsys):
    tree(folder, 2)

    with pytest.raises(BadConfig, match=r"does not start: it ended with exit code 1: no such thing; --resume goes on"):
        run(engine=engine_with("raise SystemExit('no such thing')", tmp_path))

    assert run(going=Going(resume=True)) == 2
    assert "in 2 of 5 files" in errors(capsys)


# --- kills


def children(pid: int) -> list[int]:
    """Processes below one, all generations."""
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").glob("*/children"):
            found += map(int, task.read_text().split())
    return found[1:]


def start(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fixinplace", "migrate", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def wait_for(what, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it never came to that"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_parent_leaves_nobody_behind(number: int, folder: Path):
    tree(folder, 60)
    process = start("pkg", "--verify", "off", "--jobs", "2")
    wait_for(lambda: len(children(process.pid)) >= 2)
    below = children(process.pid)

    process.send_signal(number)
    _, told = process.communicate(timeout=30)

    wait_for(lambda: not any(map(alive, below)), 10)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert ("the same command with --resume goes on" in told) == (number == signal.SIGINT)


GUARDED = (
    SAFE.format(number="")
    + """

def main():
    w = torch.ones(3, requires_grad=True)
    {body}


if __name__ == "__main__":
    main()
"""
)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_killed_parent_leaves_no_proof_behind(folder: Path):
    Path("train.py").write_text(GUARDED.format(body="while True:\n        layer(w, w)"))
    process = start("--no-cache", "--timeout", "60")
    wait_for(lambda: len(children(process.pid)) >= 3, 60)  # the worker, its fork server, the program
    below = children(process.pid)

    process.kill()
    process.communicate()

    wait_for(lambda: not any(map(alive, below)), 20)


@pytest.mark.slow
def test_only_what_is_proved_is_written_where_that_is_required(folder: Path, command, monkeypatch):
    monkeypatch.chdir(folder)
    bodies = {
        "good": "layer(w * 2, w).sum().backward()",
        "endless": "while True:\n        layer(w, w)",
        "elsewhere": "(w * 2).sum().backward()",
        "missing": "import no_such_package\n    layer(w, w)",
        "killed": "layer(w, w)\n    __import__('os').kill(__import__('os').getpid(), 9)",
    }
    for name, body in bodies.items():
        Path(f"{name}.py").write_text(GUARDED.format(body=body))
    before = texts(folder)

    result = command("migrate", "--verify", "require", "--no-inputs", "--no-cache", "--timeout", "3", "--quiet")

    assert result.exit_code == 1
    assert [name for name, text in texts(folder).items() if text != before[name]] == ["good.py"]
    assert "fixed 1 (proved 1, safe 0, unproved 0) in 1 of 5 files · not written 4 (safe 4)" in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("after", [2, 3])
def test_proofs_go_on_where_they_were(after: int, folder: Path, capsys):
    for name in ("one", "two"):
        Path(f"{name}.py").write_text(GUARDED.format(body="layer(w * 2, w).sum().backward()"))
    JOURNAL.parent.mkdir()
    judging = Judging(Mode.REQUIRE, inputs=False)
    started(JOURNAL, judging, after, (".",))
    assert all("h += 1" in Path(f"{name}.py").read_text() for name in ("one", "two"))

    assert run(judging, going=Going(resume=True), paths=(".",)) == 0

    assert all("h = h + 1" in Path(f"{name}.py").read_text() for name in ("one", "two"))
    assert "fixed 2 (proved 2, safe 0, unproved 0) in 2 of 2 files" in errors(capsys)


def written() -> int:
    """Bytes of what the run under way has journaled.  Only a file's size: the journal itself is locked."""
    log = JOURNAL.with_name(f"{JOURNAL.name}-wal")
    return log.stat().st_size if log.exists() else 0


def judged() -> int:
    """How many files the journal that nobody uses any more has results of."""
    with closing(sqlite3.connect(JOURNAL)) as journal:
        return journal.execute("SELECT COUNT(*) FROM results").fetchone()[0]


@pytest.mark.slow
def test_killed_again_and_again_it_ends_as_if_undisturbed(tmp_path: Path, monkeypatch):
    words = ("pkg", "--verify", "off", "--jobs", "2", "--quiet")
    for name in ("whole", "killed"):
        tree(tmp_path / name, 240)
    monkeypatch.chdir(tmp_path / "whole")
    _, whole = start(*words).communicate(timeout=60)
    monkeypatch.chdir(tmp_path / "killed")
    seen = []
    for more in (400_000, 200_000, 200_000, 200_000):
        process = start(*words, *(("--resume",) if seen else ()))
        wait_for(lambda enough=more, running=process: written() >= enough or running.poll() is not None)
        process.kill()
        process.communicate()
        seen.append(judged())

    _, told = start(*words, "--resume").communicate(timeout=60)

    assert 0 < seen[0] < seen[1] < seen[2] < seen[3] < 243, seen
    assert told == whole
    assert texts(tmp_path / "killed") == texts(tmp_path / "whole")
