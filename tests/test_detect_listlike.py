"""Names that may stand for a list of tensors: no form that takes them for one tensor is offered."""

from __future__ import annotations

import pytest
from rewriting import findings

from fixinplace.model import Fix, Refused

HEAD = """\
import torch


def step(hidden, state, n: int):
"""


def outcomes(body: str, head: str = HEAD) -> list[Fix | Refused]:
    return [one.outcome for one in findings(head + "".join(f"    {line}\n" for line in body.split("\n")))]


@pytest.mark.parametrize("body", [
    "state[1][:, :, n] = hidden[:, -1]\nreturn hidden * 2, state",
    "state[n][:, 0] += hidden[:, -1]\nreturn state",
    "state[0][1].mul_(hidden[0, 1])\nreturn state",
    "state[-1].mul_(hidden[:, 1].exp())\nreturn state",
])  # fmt: skip
def test_what_is_only_reached_by_position_may_be_a_list(body: str) -> None:
    found = outcomes(body)
    assert found and all(isinstance(one, Refused) and one.refusal == "not-known-tensor" for one in found)


@pytest.mark.parametrize("body", [
    "state[1][:, :, n] = hidden[:, -1]\nreturn hidden * 2, state * 2",
    "state[1][:, :, n] = hidden[:, -1]\nreturn state.shape, state",
    "state[:, 1][0] = hidden[:, -1]\nreturn state",
    "state[..., 1] += hidden[:, -1]\nreturn state",
    "state = hidden.exp()\nstate[0][1] = hidden[:, -1].sum()\nreturn state",
])  # fmt: skip
def test_what_a_tensor_alone_can_do_tells(body: str) -> None:
    found = outcomes(body)
    assert found and any(isinstance(one, Fix) for one in found)


def test_an_annotation_tells() -> None:
    head = HEAD.replace("state,", "state: torch.Tensor,")
    found = outcomes("state[1][:, n] = hidden[:, -1]\nreturn state", head)
    assert found and all(isinstance(one, Fix) for one in found)
