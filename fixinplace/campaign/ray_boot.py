"""What a node of a cluster does before it has fixinplace: it unpacks the parcel.

This module is shipped by value, with every task, so it uses the standard library alone.

Note [Unpacked once]
    Every process of a node that works for a campaign uses one unpacked parcel, in a folder of this user that nobody
    else may look into.  As long as the process lives it holds a shared lock that belongs to the folder.  Folders that
    nobody holds are removed by whoever unpacks the next one; so nothing is left for long, however a process ended.
    One lock for all of them (`gate`) keeps these steps apart.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TOOL, TREE = "tool", "tree"
"""Folders of a parcel: the package `fixinplace`, and everything else by absolute path."""


def home() -> Path:
    """The folder of this user that parcels are unpacked in; raises PermissionError where somebody else has it."""
    folder = Path(tempfile.gettempdir()).resolve() / f"fixinplace-ray-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} is somebody else's")
    return folder


def unpacked(data: bytes, digest: str, name: str) -> Path:
    """The folder with this parcel, held until this process ends; see Note [Unpacked once]."""
    base = home()
    folder = base / name
    with _gate(base):
        _sweep(base)
        fcntl.flock(os.open(f"{folder}.held", os.O_CREAT | os.O_RDWR, 0o600), fcntl.LOCK_SH)
        if not folder.exists():
            if hashlib.sha256(data).hexdigest() != digest:
                raise ValueError("the parcel did not arrive whole")
            part = base / f"{name}.part"
            _extract(data, part)
            part.rename(folder)
    return folder


def clear(name: str) -> None:
    """Remove an unpacked parcel, whoever holds it: its campaign has ended."""
    base = home()
    with _gate(base):
        shutil.rmtree(base / name, ignore_errors=True)
        (base / f"{name}.held").unlink(missing_ok=True)


@contextmanager
def _gate(base: Path) -> Iterator[None]:
    with (base / "gate").open("w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        yield


def _sweep(base: Path) -> None:
    """Remove what nobody holds."""
    for lock in base.glob("*.held"):
        with lock.open("r+") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            for left in (lock.with_suffix(""), lock.with_suffix(".part")):
                shutil.rmtree(left, ignore_errors=True)
            lock.unlink()


def _extract(data: bytes, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        for member in archive:
            path = folder / member.name
            if ".." in path.parts or not path.is_relative_to(folder):
                raise ValueError(f"{member.name}: no name for a parcel")
            if member.isdir():
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            content = archive.extractfile(member)
            path.write_bytes(content.read() if content is not None else b"")


def work(parcels: list[Any], digest: str, name: str, order: str) -> str:
    """One unit, as text in JSON; see Note [Orders] in `ray_node.py`.

    parcels: one reference to the parcel, which is fetched only by a process that has not unpacked it yet.
    """
    tool = str(home() / name / TOOL)
    if tool not in sys.path or not Path(tool).exists():
        import ray

        data: bytes = ray.get(parcels[0])
        unpacked(data, digest, name)
        sys.path.insert(0, tool)
    from fixinplace.campaign import ray_node

    return ray_node.answer(Path(tool).parent, order)
