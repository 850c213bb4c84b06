"""Training scripts in which a step, or a carried graph, breaks a later backward; the marks are what a trace tells."""

from __future__ import annotations

import choice_agents
import choice_carried
import choice_gans
import choice_losses
import choice_tasks

PROGRAMS = {
    **choice_gans.PROGRAMS,
    **choice_agents.PROGRAMS,
    **choice_losses.PROGRAMS,
    **choice_carried.PROGRAMS,
    **choice_tasks.PROGRAMS,
}
