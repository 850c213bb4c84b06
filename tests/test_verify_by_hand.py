"""What is written into a parameter is data: when that holds also for values that depend on other tracked ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import nn

from fixinplace.verify.by_hand import AsData
from fixinplace.verify.jobs import DataEnd


def pair() -> tuple[nn.Parameter, nn.Parameter]:
    return nn.Parameter(torch.ones(3)), nn.Parameter(torch.full((3,), 3.0))


def doubled(p: nn.Parameter, q: nn.Parameter) -> None:
    p *= 0.5
    p += 0.5 * q


WRITES: dict[str, Callable[[nn.Parameter, nn.Parameter], object]] = {
    "chain": lambda p, q: p.mul_(0.5).add_(q, alpha=0.5),
    "copy": lambda p, q: p.copy_(p * 0.5 + q * 0.5),
    "lerp": lambda p, q: p.lerp_(q, 0.5),
    "augmented": doubled,
    "view": lambda p, q: p.view(-1).lerp_(q, 0.5),
    "store": lambda p, q: p.__setitem__(slice(None), p * 0.5 + q * 0.5),
}


@pytest.mark.parametrize("name", WRITES)
def test_an_average_is_written_as_data(name: str):
    p, q = pair()

    with AsData() as data:
        WRITES[name](p, q)
    data.look_at("backward 1", [(q * 2).sum()])

    assert p.is_leaf and p.tolist() == [2.0, 2.0, 2.0]
    assert (data.end.others, data.end.differentiated) == (True, "")


def test_what_depends_on_the_parameter_alone_may_be_differentiated():
    p, _ = pair()

    with AsData() as data:
        p /= p.norm()
    data.look_at("backward 1", [(p * 2).sum()])

    assert (data.end.others, data.end.differentiated) == (False, "")


REACHED: dict[str, Callable[[nn.Parameter, nn.Parameter], Sequence[Any]]] = {
    "a result of it": lambda p, q: [(p * q).sum()],
    "itself": lambda p, q: [p],
    "a view of it": lambda p, q: [p[:2]],
    "a buffer it was copied to": lambda p, q: [torch.zeros(3).copy_(p).sum()],
    "one root of several": lambda p, q: [q.sum(), p.exp()[0]],
    "an edge of the graph": lambda p, q: [torch.autograd.graph.get_gradient_edge((p + 1).sum())],
    "its own edge": lambda p, q: [torch.autograd.graph.get_gradient_edge(p)],
}


@pytest.mark.parametrize("name", REACHED)
def test_a_backward_that_reaches_it_is_told(name: str):
    p, q = pair()

    with AsData() as data:
        p.lerp_(q, 0.5)
    data.look_at("backward 1", [q.sum()])
    data.look_at("backward 2", REACHED[name](p, q))

    assert data.end.differentiated == "backward 2"


def test_a_graph_from_before_the_write_counts_as_well():
    """Which of its values a backward takes is a question of its own: doubt is enough."""
    p, q = pair()
    before = (p * q).sum()

    with AsData() as data:
        p.lerp_(q, 0.5)
    data.look_at("backward 1", [before])

    assert data.end.differentiated == "backward 1"


def test_a_gradient_that_is_asked_of_it_counts():
    p, q = pair()

    with AsData() as data:
        p.lerp_(q, 0.5)
    data.look_at("backward 1", [q.sum()], [q, p])

    assert data.end.differentiated == "backward 1"


def test_a_second_average_of_the_first_is_data_too():
    p, q = pair()
    r = nn.Parameter(torch.zeros(3))

    with AsData() as data:
        p.lerp_(q, 0.5)
        r.lerp_(p, 0.5)
    data.look_at("backward 1", [q.sum()])
    assert data.end.differentiated == ""

    data.look_at("backward 2", [r.sum()])
    assert data.end.differentiated == "backward 2"


def test_what_torch_allows_is_left_alone():
    p, q = pair()

    with AsData() as data:
        kept = p * 1
        kept.add_(q)
        with torch.no_grad():
            p.lerp_(q, 0.5)
    data.look_at("backward 1", [(p * q).sum()])

    assert kept.grad_fn is not None
    assert (data.end.others, data.end.differentiated) == (False, "")


def test_a_frozen_parameter_takes_part_in_the_graph_as_torch_has_it():
    """torch refuses no write to what requires no grad: it becomes a result, and has its meaning."""
    p, q = pair()
    p.requires_grad_(False)

    with AsData() as data:
        p.lerp_(q, 0.5)
        p.mul_(2)
    p.sum().backward()

    assert q.grad is not None and q.grad.tolist() == [1.0, 1.0, 1.0]
    assert data.end == DataEnd(False, "")


def kept_by_hook(old: nn.Linear, p: nn.Parameter) -> object:
    old.weight.register_hook(print)
    return None


def kept_value(old: nn.Linear, p: nn.Parameter) -> object:
    return old.weight * 1


KEPT: dict[str, Callable[[nn.Linear, nn.Parameter], object]] = {
    "the layer": lambda old, p: old,
    "its weight": lambda old, p: old.weight,
    "a result of it": kept_value,
    "the weight, as an attribute of the new one": lambda old, p: setattr(p, "source", old.weight),
    "a hook": kept_by_hook,
}


def widened(p: nn.Parameter, keep: Callable[[nn.Linear, nn.Parameter], object]) -> object:
    old = nn.Linear(3, 1, bias=False)
    kept = keep(old, p)
    with torch.no_grad():
        half = old.weight.detach()
    p[:2] = old.weight[0, :2] * 2
    p[2] = old.weight.mean()
    assert half.shape == (1, 3)
    return kept


def test_what_depends_on_a_layer_that_is_gone_is_data():
    p, _ = pair()

    with AsData() as data:
        widened(p, lambda old, p: None)
    data.look_at("backward 1", [(p * 2).sum()])

    assert (data.end.others, data.end.differentiated) == (True, "")


@pytest.mark.parametrize("name", KEPT)
def test_a_backward_while_the_other_can_be_seen_is_told(name: str):
    p, _ = pair()

    with AsData() as data:
        kept = widened(p, KEPT[name])
    data.look_at("backward 1", [(p * 2).sum()])

    assert data.end.differentiated == "backward 1"
    del kept
