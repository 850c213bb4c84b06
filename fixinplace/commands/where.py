"""Where a campaign works: `--engine`."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fixinplace.campaign.engines import Engine
    from fixinplace.campaign.pool import Guard


class Where(enum.StrEnum):
    """`--engine`."""

    LOCAL = "local"
    RAY = "ray"


def engine(where: Where, jobs: int, guard: Guard, address: str | None) -> Engine:
    """The engine; jobs: units at the same time, 0 for all processors; address: of a Ray cluster, None to start one."""
    from fixinplace.campaign.engines import Local
    from fixinplace.campaign.ray_engine import RayEngine
    from fixinplace.commands.workers import processors

    if where is Where.RAY:
        return RayEngine(jobs, guard, address, processors())
    return Local(jobs or processors(), guard)
