"""What runs inside the recorded command: the standard library alone, in whatever environment that command has."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path


def begin(folder: str) -> None:
    """Watch this process and its new threads, by the plan in `folder`, where also the calls are left."""
    from .watch import Watch

    try:
        plan = json.loads(Path(folder, "plan.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return  # the command has outlived the one that recorded it
    watch = Watch(plan, Path(folder))
    threading.setprofile(watch.profile)
    sys.setprofile(watch.profile)
