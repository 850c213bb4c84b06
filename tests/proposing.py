"""What the repairs propose for an offence that a test makes up, as text."""

from __future__ import annotations

import textwrap
from dataclasses import replace

from choosing import PATH, code, place

from fixinplace.repair.base import Files, Proposal, Scene, Tier, repairs
from fixinplace.repair.patching import compose
from fixinplace.trace.events import Offence, Save, Write

HEAD = "import torch\nfrom torch import nn\nimport torch.nn.functional as F\n\n\n"


def offence(text: str, write: str, save: str | None, rule: str = "", node: str = "", built: str = "") -> Offence:
    program = code(text)
    at = place(program, write)
    library = replace(at, file="/lib/torch/nn/modules/activation.py") if built else at
    made = place(program, built) if built else None
    first = Write(2, "add_", at, (library, at), made, names=("h",))
    saved = None if save is None else Save(1, "op", place(program, save), (place(program, save),), names=("h",))
    return Offence(rule, saved, (first,), None, node=node)


def proposed(text: str, one: Offence, tier: Tier = Tier.PATCH) -> list[Proposal]:
    program = code(text)
    files: Files = lambda path: program if path == PATH else None  # noqa: E731
    scene = Scene(one, files)
    found = [proposal for repair in repairs() for proposal in repair.propose(scene)]
    return sorted((each for each in found if each.tier is tier), key=lambda each: each.rank)


def patched(text: str, proposal: Proposal) -> list[str]:
    """The lines that a proposal adds."""
    attempt = compose({PATH: code(text)}, [proposal])
    old, new = text.splitlines(), attempt.rewritten[0].text.splitlines()
    return [line.strip() for line in new if line not in old]


def function(body: str, head: str = "def f(self, x, skip, act, lr):") -> str:
    return HEAD + head + "\n" + textwrap.indent(textwrap.dedent(body).strip("\n"), "    ") + "\n"
