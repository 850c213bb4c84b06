"""The commands: read options, call, exit; no logic."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from fixinplace import __version__, warm
from fixinplace.commands import cache
from fixinplace.commands.behind import OwnOptionsFirst
from fixinplace.commands.check import check as run_check
from fixinplace.commands.console import Console
from fixinplace.commands.fix import Writing
from fixinplace.commands.fix import fix as run_fix
from fixinplace.commands.inputs import Selection
from fixinplace.commands.proving import Proving
from fixinplace.commands.reporting import Format, RepairFormat, Reporting
from fixinplace.commands.rule import rule as run_rule
from fixinplace.commands.scope import Scope
from fixinplace.commands.where import Where
from fixinplace.commands.where import engine as chosen
from fixinplace.config import BadConfig
from fixinplace.pipeline import Mode, Policy
from fixinplace.repair.budget import Budget

app = typer.Typer(
    help="Find in-place writes that break autograd, rewrite them, and prove the rewrite by running it.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Paths = Annotated[list[str] | None, typer.Argument(help="Files or folders; `-` for standard input. Default: here.")]
Select = Annotated[list[str] | None, typer.Option(help="Rules to look for: codes, names, starts of codes, ALL.")]
Ignore = Annotated[list[str] | None, typer.Option(help="Rules to leave out.")]
Config = Annotated[str | None, typer.Option(help="A TOML file with [tool.fixinplace]; default: the nearest.")]
StdinFilename = Annotated[str | None, typer.Option(help="The name of what comes from standard input.")]
OutputFormat = Annotated[Format, typer.Option(help="How findings are printed.")]
Statistics = Annotated[bool, typer.Option("--statistics", help="Count findings by rule instead of listing them.")]
ExitZero = Annotated[bool, typer.Option("--exit-zero", help="Exit 0 even if findings remain.")]
Diff = Annotated[bool, typer.Option("--diff", help="Write nothing; print a unified diff that `git apply` takes.")]
UnsafeFixes = Annotated[
    bool, typer.Option("--unsafe-fixes", help="Also write what is unproved; never what is refuted.")
]
Verify = Annotated[Mode, typer.Option(help="auto: run what can be run; require: write only proved; off: run nothing.")]
Probe = Annotated[
    list[str] | None,
    typer.Option(help="What to run: SCRIPT.py, FILE.py::function, ::function of each file, a file of probe_*."),
]
Timeout = Annotated[float, typer.Option(min=0.1, help="Seconds that one run may take.")]
AllowRun = Annotated[bool, typer.Option("--allow-run", help="Run under resource limits where no sandbox is available.")]

RequireSandbox = Annotated[
    bool, typer.Option("--require-sandbox", help="Fail where no sandbox is available, instead of proving less.")
]
Inputs = Annotated[
    bool, typer.Option("--inputs/--no-inputs", help="Make inputs for classes and functions that nothing else runs.")
]
ShowProbe = Annotated[bool, typer.Option("--show-probe", help="Print the probes with made inputs, ready to run.")]
Breaking = Annotated[
    Scope, typer.Option("--scope", help="tracked: every write that autograd tracks; broken: what a run shows to break.")
]
Jobs = Annotated[int, typer.Option(min=0, help="Processes that work on files; 0: one for each processor.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Look for inputs anew, and keep nothing.")]


@app.callback()
def _options(version: Annotated[bool, typer.Option("--version", "-V", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"fixinplace {__version__}")
        raise typer.Exit


@app.command()
def check(
    paths: Paths = None,
    select: Select = None,
    ignore: Ignore = None,
    statistics: Statistics = False,
    output_format: OutputFormat = Format.TEXT,
    exit_zero: ExitZero = False,
    jobs: Jobs = 0,
    config: Config = None,
    stdin_filename: StdinFilename = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Read every file anew, and keep nothing.")] = False,
) -> None:
    """Report in-place writes on tracked tensors; runs nothing, changes nothing."""
    selection = _selection(paths, select, ignore, config, stdin_filename)
    reporting = Reporting(output_format, statistics, exit_zero)
    words = None if no_cache else _typed
    _exit_with(lambda console: run_check(selection, reporting, console, jobs, words))


@app.command()
def fix(
    paths: Paths = None,
    select: Select = None,
    ignore: Ignore = None,
    diff: Diff = False,
    unsafe_fixes: UnsafeFixes = False,
    verify: Verify = Mode.AUTO,
    probe: Probe = None,
    timeout: Timeout = 60.0,
    allow_run: AllowRun = False,
    require_sandbox: RequireSandbox = False,
    inputs: Inputs = True,
    show_probe: ShowProbe = False,
    scope: Breaking = Scope.TRACKED,
    no_cache: NoCache = False,
    statistics: Statistics = False,
    output_format: OutputFormat = Format.TEXT,
    exit_zero: ExitZero = False,
    jobs: Jobs = 0,
    config: Config = None,
    stdin_filename: StdinFilename = None,
) -> None:
    """Rewrite in-place writes, prove the rewrite by running it, write what is proved or safe."""
    _check_contradictions(unsafe_fixes, verify, allow_run, require_sandbox, scope)
    selection = _selection(paths, select, ignore, config, stdin_filename)
    reporting = Reporting(output_format, statistics, exit_zero)
    writing = Writing(Policy(verify, unsafe_fixes), diff)
    kept = None if no_cache else cache.default()
    every = scope is Scope.BROKEN
    proving = Proving(tuple(probe or ()), timeout, allow_run, inputs, kept, require_sandbox, every)
    _exit_with(lambda console: run_fix(selection, reporting, writing, proving, console, show_probe, jobs, scope))


@app.command(cls=OwnOptionsFirst, context_settings={"allow_interspersed_args": False})
def repair(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="SCRIPT|FILE.py::NAME [ARGS]...", help="Your own command; all behind it is its own."),
    ] = None,
    module: Annotated[str | None, typer.Option("-m", help="Run a module instead, as `python -m` does.")] = None,
    diff: Diff = False,
    explain: Annotated[bool, typer.Option("--explain", help="Name culprit, save and backward; patch nothing.")] = False,
    choose: Annotated[
        int | None, typer.Option(min=1, help="Write this one of several repairs with different meanings.")
    ] = None,
    unsafe_fixes: UnsafeFixes = False,
    budget: Annotated[str, typer.Option(metavar="TRIES[,SECONDS]", help="How long to search.")] = "60,600",
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that one run may take.")] = 300.0,
    in_place_runs: Annotated[
        bool, typer.Option("--in-place-runs", help="Prove in your own folder and environment, not in a copy of it.")
    ] = False,
    allow_run: AllowRun = False,
    output_format: Annotated[RepairFormat, typer.Option(help="How the result is printed.")] = RepairFormat.TEXT,
) -> None:
    """Run your command, name the line that overwrote what a backward needed, find the smallest patch, prove it."""
    from fixinplace.commands.repair import Options
    from fixinplace.commands.repair import repair as run_repair

    json = output_format is RepairFormat.JSON
    options = Options(
        diff, explain, choose or 0, json, unsafe_fixes, allow_run, timeout, _budget(budget), in_place_runs
    )
    _exit_with(lambda console: run_repair(module, tuple(words or ()), options, console))


def _budget(text: str) -> Budget:
    """`60` or `60,600`: tries, seconds."""
    tries, _, seconds = text.partition(",")
    try:
        found = Budget(int(tries), float(seconds or 600))
    except ValueError as error:
        raise typer.BadParameter(f"--budget {text}: a number of tries, and after a comma of seconds") from error
    if found.judgements < 1 or found.seconds <= 0:
        raise typer.BadParameter(f"--budget {text}: at least one try and some time")
    return found


@app.command()
def migrate(
    paths: Annotated[list[str] | None, typer.Argument(help="Files or folders. Default: here.")] = None,
    select: Select = None,
    ignore: Ignore = None,
    diff: Diff = False,
    output_dir: Annotated[str | None, typer.Option(metavar="DIR", help="Write changed files there instead.")] = None,
    patch: Annotated[str | None, typer.Option(metavar="FILE", help="Write a patch instead.")] = None,
    patch_by: Annotated[
        str | None, typer.Option(metavar="folder|owner|N", help="One patch per folder, code owner, or N files.")
    ] = None,
    unsafe_fixes: UnsafeFixes = False,
    verify: Verify = Mode.AUTO,
    probe: Probe = None,
    timeout: Timeout = 60.0,
    allow_run: AllowRun = False,
    require_sandbox: RequireSandbox = False,
    inputs: Inputs = True,
    scope: Breaking = Scope.TRACKED,
    no_cache: NoCache = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the campaign of the journal.")] = False,
    journal: Annotated[str | None, typer.Option(metavar="FILE", help="The journal. Default: in .fixinplace/.")] = None,
    allow_dirty: Annotated[
        bool, typer.Option("--allow-dirty", help="Write although git holds uncommitted changes.")
    ] = False,
    max_changes: Annotated[int | None, typer.Option(min=1, help="Change so many files at most.")] = None,
    shard: Annotated[str | None, typer.Option(metavar="I/N", help="Take the I-th of N parts of the work.")] = None,
    jobs: Jobs = 0,
    engine: Annotated[Where, typer.Option(help="Work on this machine, or as tasks of a Ray cluster.")] = Where.LOCAL,
    ray_address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="That cluster. Default: one that is started here.")
    ] = None,
    unit_timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that one file may take in all.")] = 900.0,
    max_memory: Annotated[int, typer.Option(min=1, help="Megabytes that one worker may take.")] = 2048,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
    report: Annotated[str | None, typer.Option(metavar="DIR", help="Leave a report there, HTML and JSON.")] = None,
    exit_zero: ExitZero = False,
    config: Config = None,
) -> None:
    """Fix a code base: in parallel, journaled, resumable; writes when everything is judged."""
    from fixinplace.campaign.pool import Guard
    from fixinplace.campaign.unit import Judging
    from fixinplace.commands.migrate import Going, Target
    from fixinplace.commands.migrate import migrate as run_migrate

    _check_contradictions(unsafe_fixes, verify, allow_run, require_sandbox, scope)
    if patch_by is not None and patch is None:
        raise typer.BadParameter("--patch-by says how --patch is divided")
    if ray_address is not None and engine is not Where.RAY:
        raise typer.BadParameter("--ray-address says where --engine ray works")
    selection = _selection(paths, select, ignore, config, None)
    cached = None if no_cache else str(cache.default())
    named = tuple(probe or ())
    judging = Judging(verify, unsafe_fixes, named, timeout, allow_run, inputs, cached, require_sandbox, scope)
    working = chosen(engine, jobs, Guard(unit_timeout, max_memory << 20), ray_address)
    going = Going(resume, journal, shard, max_changes, allow_dirty, quiet, report, exit_zero)
    target = Target(diff, output_dir, patch, patch_by)
    _exit_with(lambda console: run_migrate(selection, judging, working, going, target, console))


@app.command(context_settings={"allow_interspersed_args": False})
def record(
    words: Annotated[list[str] | None, typer.Argument(metavar="-- COMMAND...", help="Your own command.")] = None,
    output: Annotated[str | None, typer.Option(metavar="FILE", help="Default: fixinplace-calls.json.")] = None,
    root: Annotated[str | None, typer.Option(metavar="DIR", help="Default: the project around this folder.")] = None,
    append: Annotated[bool, typer.Option("--append", help="Add to what the file holds.")] = False,
    config: Config = None,
) -> None:
    """Run your command, and keep shapes and constructors of the calls that `fix` and `migrate` can prove with."""
    from fixinplace.commands.record import Recorded
    from fixinplace.commands.record import record as run_record

    _exit_with(lambda console: run_record(tuple(words or ()), Recorded(output, root, config, append), console))


@app.command(name="merge-reports")
def merge_reports(
    out: Annotated[str, typer.Argument(metavar="OUT", help="The folder of the new report.")],
    folders: Annotated[list[str], typer.Argument(metavar="DIR...", help="Reports of `migrate --shard --report`.")],
    exit_zero: ExitZero = False,
) -> None:
    """Make one report of those of several shards."""
    from fixinplace.commands.merging import merge_reports as run_merge

    _exit_with(lambda console: run_merge(out, folders, console, exit_zero))


@app.command()
def rule(key: Annotated[str | None, typer.Argument(metavar="[CODE|NAME]", help="Default: a list.")] = None) -> None:
    """Say what a rule finds, why it matters, how it is cured and when it is refused; or what a reason means."""
    _exit_with(lambda console: run_rule(key, console))


@app.command()
def lsp(
    stdio: Annotated[bool, typer.Option("--stdio", hidden=True)] = False,  # what some clients add by themselves
    client_process_id: Annotated[int, typer.Option("--clientProcessId", hidden=True)] = 0,
) -> None:
    """Serve an editor on standard input and output; `pip install 'fixinplace[lsp]'` brings what that needs."""
    from fixinplace.lsp.start import main as serve

    raise typer.Exit(serve())


def _check_contradictions(
    unsafe_fixes: bool, verify: Mode, allow_run: bool, require_sandbox: bool, scope: Scope
) -> None:
    if scope is Scope.BROKEN and verify is Mode.OFF:
        raise typer.BadParameter("--scope broken is told by a run, and --verify off runs nothing")
    if unsafe_fixes and verify is Mode.REQUIRE:
        raise typer.BadParameter("--unsafe-fixes writes what is unproved, --verify require only what is proved")
    if allow_run and require_sandbox:
        raise typer.BadParameter("--allow-run runs without a sandbox, --require-sandbox only in one")


def _selection(
    paths: list[str] | None,
    select: list[str] | None,
    ignore: list[str] | None,
    config: str | None,
    stdin_filename: str | None,
) -> Selection:
    return Selection(tuple(paths or (".",)), _words(select), _words(ignore), config, stdin_filename)


def _words(values: list[str] | None) -> tuple[str, ...]:
    """`--select A,B --select C` as A, B, C."""
    return tuple(word.strip() for value in values or () for word in value.split(",") if word.strip())


def _exit_with(command: Callable[[Console], int]) -> None:
    """Run a command and exit with its code; what the caller got wrong is one line and exit 2."""
    console = Console()
    try:
        code = command(console)
    except BadConfig as error:
        console.lines([f"fixinplace: {error}"], to_error=True)
        code = 2
    except KeyboardInterrupt:
        console.lines(["fixinplace: interrupted; every file is as it was or wholly fixed"], to_error=True)
        code = 130
    raise typer.Exit(code)


_typed: list[str] | None = None
"""The command line whose output may be kept; None where there is none, or nothing is kept of it."""


def run() -> None:
    """The command line."""
    global _typed  # noqa: PLW0603 - typer hands the commands their options, and not the words that they were typed as
    _typed = sys.argv[1:] if warm.is_kept(sys.argv[1:]) else None
    app(prog_name="fixinplace" if not sys.argv[0].endswith("__main__.py") else "python -m fixinplace")
