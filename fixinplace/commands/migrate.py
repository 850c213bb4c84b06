"""`fixinplace migrate`: fix a code base, journaled and resumable."""

from __future__ import annotations

import contextlib
import json
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fixinplace import files
from fixinplace.campaign import delivery, git, plan, rows
from fixinplace.campaign.delivery import Change, Delivery, Folder, InPlace, Patches, Printed, Troubles
from fixinplace.campaign.engines import Engine
from fixinplace.campaign.journal import Journal, JournalError
from fixinplace.campaign.owners import Owners
from fixinplace.campaign.pool import NoWorker
from fixinplace.campaign.progress import watcher
from fixinplace.campaign.run import Campaign, options
from fixinplace.campaign.unit import Judging
from fixinplace.commands.console import Console
from fixinplace.commands.inputs import Selection
from fixinplace.commands.proving import Provers
from fixinplace.config import BadConfig
from fixinplace.report import campaign as report
from fixinplace.report import text
from fixinplace.report.summary import Summary, code

Json = dict[str, Any]

FOLDER = Path(".fixinplace")


@dataclass(frozen=True, slots=True)
class Going:
    """How a campaign starts, goes and ends: the options of `migrate` that `fix` has not.

    most: stop after so many changed files. journal: its file, by default below `.fixinplace` in the current folder.
    """

    resume: bool = False
    journal: str | None = None
    shard: str | None = None
    most: int | None = None
    allow_dirty: bool = False
    quiet: bool = False
    report: str | None = None
    exit_zero: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """Where the new texts go; into the files themselves if nothing else is said."""

    diff: bool = False
    folder: str | None = None
    patch: str | None = None
    by: str | None = None

    @property
    def dry(self) -> bool:
        """True if the files stay as they are."""
        return self.diff or self.folder is not None or self.patch is not None


def migrate(
    selection: Selection, judging: Judging, engine: Engine, going: Going, target: Target, console: Console
) -> int:
    """Plan, judge, write, report; the exit code.  Raises BadConfig."""
    shard = plan.parse_shard(going.shard)
    delivery.grouping(target.by, str)
    _check_report(going)
    try:
        with engine, Journal(_place(going.journal, shard)) as journal:
            if going.resume:
                _check_resumed(journal, wanted(selection, judging, shard), going, target)
            else:
                gone = begin(journal, selection, judging, shard, going, target)
                console.lines((f"fixinplace: {line}" for line in gone), to_error=True)
            return _run(Campaign(journal, judging, shard, going.most), journal, engine, going, target, console)
    except (JournalError, files.NotWritten) as error:
        raise BadConfig(str(error)) from error
    except NoWorker as error:
        raise BadConfig(f"{error}; --resume goes on when that is mended") from error
    except sqlite3.OperationalError as error:  # no space is left
        raise BadConfig(f"the journal cannot be written: {error}; --resume goes on") from error


def _check_report(going: Going) -> None:
    """What a report needs, before hours are spent."""
    if going.report is None:
        return
    try:
        report.environment()
        Path(going.report).mkdir(parents=True, exist_ok=True)
    except report.NoJinja as error:
        raise BadConfig(str(error)) from error
    except OSError as error:
        raise BadConfig(f"--report {going.report}: {(error.strerror or '?').lower()}") from error


def _place(named: str | None, shard: tuple[int, int]) -> Path:
    """The journal's file, its folder made; the default one is invisible to git."""
    try:
        if named is not None:
            Path(named).parent.mkdir(parents=True, exist_ok=True)
            return Path(named)
        FOLDER.mkdir(exist_ok=True)
        ignore = FOLDER / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise BadConfig(f"{named or FOLDER}: no place for the journal: {(error.strerror or '?').lower()}") from error
    return FOLDER / ("campaign.sqlite" if shard == (1, 1) else f"campaign-{shard[0]}-of-{shard[1]}.sqlite")


def _check_resumed(journal: Journal, chosen: Json, going: Going, target: Target) -> None:
    planned = journal.meta("options")
    if planned is None:
        raise BadConfig("--resume: there is no campaign to go on with here; leave it out to begin one")
    different = [key for key in chosen if planned.get(key) != chosen[key]]
    if different:
        said = ", ".join(f"{key}: {json.dumps(planned.get(key))}" for key in different)
        raise BadConfig(f"--resume: the campaign was begun with other options ({said}); give the same ones")
    if not (going.allow_dirty or target.dry or journal.meta("writing")):  # what a killed run has written is no dirt
        _refuse_dirt([record["path"] for _, record in journal.files()])


def wanted(selection: Selection, judging: Judging, shard: tuple[int, int]) -> Json:
    """The options as the journal keeps them."""
    kept: Json = json.loads(json.dumps(options(selection, judging, shard)))
    return kept


def begin(
    journal: Journal, selection: Selection, judging: Judging, shard: tuple[int, int], going: Going, target: Target
) -> list[str]:
    """Plan, and put the plan down; raises BadConfig where a campaign has not ended or git holds what could be lost.

    Returns what recorded calls name in vain.
    """
    gone: list[str] = []
    if journal.meta("options") is not None and not journal.meta("finished"):
        raise BadConfig(
            f"{journal.path} holds a campaign that has not ended: --resume goes on with it; remove it to start anew"
        )
    configs, records = plan.planned(selection)
    if judging.policy.runs:
        with contextlib.closing(Provers(judging.proving)) as provers:
            known = plan.configurations(configs)
            provers.check(known)
            gone = provers.recorded((record["path"], known[record["config"]]) for record in records)
    if not (going.allow_dirty or target.dry):
        _refuse_dirt([record["path"] for record in records])
    meta = {
        "options": wanted(selection, judging, shard),
        "configs": configs,
        "stage": "planned",
        "finished": False,
        "mark": secrets.token_hex(4),
    }
    journal.plan(meta, records)
    return gone


def _refuse_dirt(paths: Iterable[str]) -> None:
    found = git.dirt(paths, git.Repositories())
    if found:
        named = ", ".join(files.shown(path) for path in found[:3])
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        raise BadConfig(
            f"git could not bring back what is not committed: {named}{more}; commit or stash it, or say --allow-dirty"
        )


def _run(campaign: Campaign, journal: Journal, engine: Engine, going: Going, target: Target, console: Console) -> int:
    try:
        with contextlib.closing(watcher(console, quiet=going.quiet)) as watching:
            campaign.judge(engine, watching)
        troubles = _deliver(campaign, journal, target, console)
        journal.put({"finished": True})
    except KeyboardInterrupt:
        console.lines(["fixinplace: interrupted; the same command with --resume goes on"], to_error=True)
        return 130
    if going.report is not None:
        _leave_report(Path(going.report), campaign, journal, target, troubles)
    summary = rows.count(told(campaign.rows(troubles), console))
    console.lines(text.fix_summary(summary, dry=target.dry), to_error=True)
    return _close(campaign, summary, going, target, console)


def _leave_report(folder: Path, campaign: Campaign, journal: Journal, target: Target, troubles: Troubles) -> None:
    about = {"version": 1, "options": journal.meta("options"), "dry": target.dry, "left": campaign.left}
    try:
        report.write(folder, about, campaign.rows(troubles))
    except OSError as error:
        reason = (error.strerror or "?").lower()
        raise BadConfig(f"--report {folder}: {reason}; all else is done, --resume makes the report") from error


def told(found: Iterable[Json], console: Console) -> Iterator[Json]:
    """The same rows; the problems among them are printed on the way."""
    for row in found:
        console.lines(
            (
                f"{row['path']}:{p['line']}:{p['column']}  {p['rule']} {p['name']}  {p['message']}"
                for p in row["problems"]
            ),
            to_error=True,
        )
        yield row


def _close(campaign: Campaign, summary: Summary, going: Going, target: Target, console: Console) -> int:
    if campaign.left:
        console.lines([f"left for another call {campaign.left} (--max-changes {going.most})"], to_error=True)
    if target.dry and summary.changed:
        console.lines(["the same command with --resume, told to write in place, writes this"], to_error=True)
    if going.report is not None:
        console.lines([f"report {Path(going.report) / 'index.html'}"], to_error=True)
    found = code(summary, dry=target.dry, exit_zero=going.exit_zero)
    return max(found, int(bool(campaign.left) and not going.exit_zero))


# --- delivery


def _deliver(campaign: Campaign, journal: Journal, target: Target, console: Console) -> Troubles:
    """Deliver every change; what could not be, as far as the journal does not hold it."""
    if not target.dry:
        _write(campaign, journal)
        return {}
    troubles: Troubles = {}
    for each in _deliveries(target, console):
        for changes in _waiting(campaign, journal):
            troubles |= each.take(changes)
        each.close()
        if isinstance(each, Patches) and target.by is not None:
            console.lines((f"wrote {path}" for path in each.made), to_error=True)
    return troubles


def _deliveries(target: Target, console: Console) -> Iterator[Delivery]:
    if target.diff:
        yield Printed(console.data)
    if target.folder is not None:
        yield Folder(Path(target.folder))
    if target.patch is not None:
        yield Patches(Path(target.patch), *delivery.grouping(target.by, Owners(git.Repositories())))


def _write(campaign: Campaign, journal: Journal) -> None:
    """Write the files unit by unit; see Note [Judged first, written last] and Note [What a kill may cost]."""
    place = InPlace(f"{files.PREFIX}{journal.meta('mark')}-")
    if journal.meta("writing"):
        place.sweep(path for changes in _waiting(campaign, journal) for path in changes)
    journal.put({"writing": True})
    journal.sync()
    for changes in _waiting(campaign, journal):
        troubles = place.take(changes)
        journal.mark([each.number for each in changes if each.number not in troubles], troubles.items())


def _waiting(campaign: Campaign, journal: Journal) -> Iterator[list[Change]]:
    """Changes that are nowhere yet, unit by unit."""
    return delivery.changes(journal, lambda row: row.state == "judged" and campaign.wants(row))
