"""A node of a cluster at work on one unit: in a worker process of its own, out of the unpacked parcel.

Note [Orders]
    An order and its answer are texts in JSON.  An order: `setup` and `request` as Note [The protocol] in `unit.py` has
    them, with the paths of the machine that sent it, `files` (how many files' time the unit may take), `guard`
    (`seconds`, `memory`), `folder` (the current folder there), `paths` (folders there that modules are found in) and
    `versions`. The answer: `answer` as the protocol has it, or `died`, how the worker ended, and `seconds`; or
    `nobody`, why there is no worker at all.  Its paths are those of the sender again.
    A process of Ray runs threads, so it starts the same worker as a local pool does, and stops it with the same guards.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from fixinplace.campaign.pool import Died, Guard, NoWorker, Pool, Task
from fixinplace.campaign.ray_boot import TREE

Json = dict[str, Any]

_VERSIONED = ("libcst", "torch")
"""What else judges beside this package: other versions could judge otherwise."""
_pools: dict[str, Pool] = {}
"""The pool of this process, by what it was set up for: one worker, kept from unit to unit."""


def answer(base: Path, order: str) -> str:
    """The answer to an order; base: the unpacked parcel."""
    tree = str(base / TREE)
    told = json.loads(order)
    os.chdir(f"{tree}{told['folder']}")
    os.environ["PYTHONPATH"] = os.pathsep.join(f"{tree}{path}" for path in told["paths"])
    found = json.dumps(_unfit(told["versions"]) or _done(told, tree))
    return found.replace(json.dumps(tree)[1:-1], "")


def versions() -> dict[str, str]:
    """The versions that all machines of a campaign must agree on; "none" of what is not installed."""
    found = {"python": ".".join(map(str, sys.version_info[:2]))}
    for name in _VERSIONED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "none"
    return found


def _unfit(wanted: Json) -> Json | None:
    """Why this node could judge otherwise than the machine that asks."""
    own = versions()
    other = [f"{name} {own[name]} instead of {wanted[name]}" for name in wanted if own[name] != wanted[name]]
    return {"nobody": f"the node {socket.gethostname()} has {', '.join(other)}"} if other else None


def _done(told: Json, tree: str) -> Json:
    task = Task(0, moved_request(told["request"], tree), told["files"])
    try:
        done = next(_pool(moved_setup(told["setup"], tree), told["guard"]).run(iter([task]), _never, _nothing))
    except NoWorker as error:
        return {"nobody": f"on the node {socket.gethostname()} {error}"}
    said = {"died": done.answer.how} if isinstance(done.answer, Died) else {"answer": done.answer}
    return {**said, "seconds": done.seconds}


def _never(task: Task, died: Died) -> bool:
    del task, died
    return False  # whether it is tried again is decided where the journal is


def _nothing() -> None:
    """Nobody looks on."""


def _pool(setup: Json, guard: Json) -> Pool:
    key = json.dumps([setup, guard, os.environ["PYTHONPATH"], str(Path.cwd())])
    if key not in _pools:
        for pool in _pools.values():
            pool.__exit__(None)
        _pools.clear()
        _pools[key] = Pool(1, setup, Guard(**guard))
    return _pools[key]


# --- paths of the machine that asks, as paths of this one


def moved_setup(setup: Json, tree: str) -> Json:
    """The setup with its probes below `tree`; what is kept from run to run is another machine's."""
    return {**setup, "probes": [_moved(word, tree) for word in setup["probes"]], "cache": None}


def moved_request(request: Json, tree: str) -> Json:
    """The request with every absolute path below `tree`."""
    files = [_moved_file(file, tree) for file in request["files"]]
    scripts = {_moved(path, tree): [_moved(each, tree) for each in found] for path, found in request["scripts"].items()}
    return {**request, "files": files, "scripts": scripts}


def _moved_file(file: Json, tree: str) -> Json:
    moved = {**file, "path": _moved(file["path"], tree)}
    if "root" in file:
        moved |= {"root": _moved(file["root"], tree), "probes": [_moved(word, tree) for word in file["probes"]]}
    return moved


def _moved(path: str, tree: str) -> str:
    return f"{tree}{path}" if path.startswith("/") else path
