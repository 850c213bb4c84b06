"""The arithmetic of comparing: tolerances per type, leaves in pairs, shared memory."""

from __future__ import annotations

import math
from typing import cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixinplace.verify import tensors
from fixinplace.verify.aliasing import Memory, overlap, sharing
from fixinplace.verify.backwards import matched
from fixinplace.verify.jobs import Json
from fixinplace.verify.leaves import LeafNames
from fixinplace.verify.observe import UserCode
from fixinplace.verify.sides import elements
from fixinplace.verify.tolerance import distance


def agrees(reference: torch.Tensor, other: torch.Tensor) -> bool:
    deviation, tolerance = distance(reference.reshape(-1), other.reshape(-1), reference.dtype)
    return deviation <= tolerance


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.complex64, torch.complex128])
def test_sixteen_eps_of_the_largest_value(dtype: torch.dtype):
    eps = torch.finfo(dtype).eps
    reference = torch.tensor([0.0, 1.0, -4.0], dtype=dtype)
    assert agrees(reference, reference + 4 * 15 * eps)
    assert not agrees(reference, reference + 4 * 17 * eps)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_two_eps_where_the_type_is_coarse(dtype: torch.dtype):
    eps = torch.finfo(dtype).eps
    reference = torch.tensor([1.0], dtype=dtype)
    assert agrees(reference, reference + 2 * eps)
    assert not agrees(reference, reference + 3 * eps)


def test_zero_tolerates_nothing():
    assert not agrees(torch.zeros(2), torch.tensor([0.0, 1e-30]))


def test_nan_and_infinity_sit_where_they_sat():
    odd = torch.tensor([math.nan, math.inf, -math.inf, 1.0])
    assert agrees(odd, odd.clone())
    assert not agrees(odd, torch.tensor([0.0, math.inf, -math.inf, 1.0]))
    assert not agrees(odd, torch.tensor([math.nan, -math.inf, -math.inf, 1.0]))
    assert not agrees(torch.ones(1), torch.tensor([math.nan]))


def test_integers_and_flags_are_exact():
    assert not agrees(torch.tensor([10**6]), torch.tensor([10**6 + 1]))
    assert not agrees(torch.tensor([True]), torch.tensor([False]))


LAYOUTS = {
    "plain": lambda: torch.randn(3, 4),
    "transposed": lambda: torch.randn(3, 4).t(),
    "strided": lambda: torch.randn(8, 9)[::2, 1::3],
    "thin": lambda: torch.randn(3000, 50)[:, 7],
    "expanded": lambda: torch.randn(3, 1).expand(3, 5),
    "no shape": lambda: torch.tensor(2.5),
    "empty": lambda: torch.empty(0, 3),
    "conjugate": lambda: torch.randn(3, 4, dtype=torch.complex64).conj(),
    "negative": lambda: torch.randn(4, dtype=torch.complex64).conj().imag,
    "half": lambda: torch.randn(5).half(),
    "bfloat": lambda: torch.randn(5).bfloat16(),
    "flags": lambda: torch.tensor([True, False]),
    "integers": lambda: torch.arange(5),
    "tracked": lambda: torch.randn(3, requires_grad=True).exp(),
    "tiny floats": lambda: torch.randn(5).to(torch.float8_e5m2),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_tensor_is_read_and_rebuilt(name: str):
    tensor = LAYOUTS[name]()
    versions = tensor._version
    reading = tensors.read(tensor)
    assert reading.data is not None
    row: Json = reading.facts | {"at": 3, "length": len(reading.data)}
    rebuilt = elements(row, b"xyz" + reading.data)
    assert rebuilt is not None
    assert tensor._version == versions
    if tensor.numel():
        wanted = tensor.detach().resolve_conj().resolve_neg().contiguous().reshape(-1)
        assert torch.equal(rebuilt.view(torch.uint8), wanted.view(torch.uint8))


def test_reading_keeps_nothing_alive_and_draws_nothing():
    state = torch.get_rng_state()
    x = torch.randn(3, requires_grad=True)
    torch.set_rng_state(state)
    y = x.exp()
    tensors.read(y)
    assert torch.equal(torch.get_rng_state(), state)
    assert y.requires_grad
    y.mul_(1)


def row(name: str | None, value: str, shape: tuple[int, ...] = (2,)) -> Json:
    return {"leaf": name, "value": value, "shape": list(shape), "dtype": "float32", "received": []}


def test_leaves_are_matched_by_name_then_by_value_then_in_order():
    ours = [row("w", "1"), row(None, "2"), row(None, "3"), row(None, "3"), row("gone", "9")]
    theirs = [row(None, "3"), row("w", "8"), row(None, "3"), row("b", "2"), row("new", "7")]
    pairs = [(mine and mine["value"], its and its["value"]) for mine, its in matched(ours, theirs)]
    assert sorted(pairs, key=str) == sorted(
        [("1", "8"), ("2", "2"), ("3", "3"), ("3", "3"), ("9", None), (None, "7")], key=str
    )


def test_what_autograd_grad_returned_is_matched_with_the_leaf_that_it_was_asked_for():
    asked = row("input 0", "8") | {"named": "w"}
    other = row("input 1", "1") | {"named": None}

    pairs = list(matched([row("w", "1"), row("b", "2")], [other, asked]))

    assert [(mine and mine["leaf"], its and its["leaf"]) for mine, its in pairs] == [
        ("w", "input 0"),
        ("b", None),
        (None, "input 1"),
    ]


def named(found: list[tuple[Json | None, Json | None]]) -> set[tuple[str | None, str | None]]:
    return {(mine and mine["leaf"], its and its["leaf"]) for mine, its in found}


def test_a_name_decides_before_likeness_does():
    """Two biases are zero: the one without a name must not take what belongs to the other."""
    asked = row("input 0", "0") | {"named": "a.bias"}
    other = row("input 1", "0") | {"named": "list[1]"}

    pairs = named(list(matched([row("b.bias", "0"), row("a.bias", "0")], [asked, other])))

    assert pairs == {("a.bias", "input 0"), ("b.bias", "input 1")}


def test_a_leaf_that_a_moved_line_has_named_otherwise_is_found_by_another_path():
    ours = [row("p", "1") | {"also": ["params[0]"]}, row("params[1]", "3")]
    theirs = [row("params[0]", "2") | {"also": []}, row("params[1]", "4")]

    assert named(list(matched(ours, theirs))) == {("p", "params[0]"), ("params[1]", "params[1]")}
    assert ("p", None) in named(list(matched(ours[:1], theirs[1:])))


class Here:
    """User code is this file."""

    def owns(self, path: str) -> bool:
        return path == __file__


def test_a_path_into_a_module_names_a_leaf_before_a_loop_does():
    model, free = torch.nn.Linear(2, 1), [torch.ones(2, requires_grad=True)]

    def inner(names: LeafNames, p: torch.Tensor) -> list[tuple[str, ...]]:
        return names.paths([p, free[0], torch.ones(1)])

    weight, first, none = inner(LeafNames(cast(UserCode, Here())), model.weight)

    assert weight[0].endswith("model.weight") and "inner.p" in weight[1:]
    assert first[0] == "inner.free[0]" and none == ()


def test_a_parameter_is_named_by_the_module_that_a_caller_holds():
    def update(p: torch.Tensor, names: LeafNames) -> list[str | None]:
        return names.of([p])

    def train() -> list[str | None]:
        model = torch.nn.Linear(2, 1)
        return update(model.bias, LeafNames(cast(UserCode, Here())))

    assert train() == ["train.model.bias"]


def memory(tensor: torch.Tensor, path: str) -> Memory:
    return Memory(path, tensor.data_ptr(), tensor.element_size(), tuple(tensor.shape), tensor.stride())


slices = st.tuples(st.integers(0, 5), st.integers(1, 3), st.integers(0, 5), st.integers(1, 3), st.booleans())


@given(slices, slices)
def test_views_share_exactly_when_an_element_is_common(one: tuple, two: tuple):
    base = torch.arange(64).reshape(8, 8)
    views = [base[a::s, b::t] for a, s, b, t, _ in (one, two)]
    views = [view.t() if case[4] else view for view, case in zip(views, (one, two), strict=True)]
    common = bool(set(views[0].reshape(-1).tolist()) & set(views[1].reshape(-1).tolist()))
    assert overlap(memory(views[0], "a"), memory(views[1], "b")) is common


def test_pairs_are_named_in_order():
    base = torch.zeros(6)
    places = [memory(base[3:], "c"), memory(base[:3], "a"), memory(base, "b"), memory(torch.zeros(6), "d")]
    assert sharing(places) == {("a", "b"), ("b", "c")}
