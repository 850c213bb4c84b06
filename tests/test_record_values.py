"""What a recording keeps of a value, and what its replay makes of that."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import enum
import functools
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn

from fixinplace.inputs import snippet
from fixinplace.record import replay, schema
from fixinplace.record.hook import bounds
from fixinplace.record.hook.places import Places
from fixinplace.record.hook.values import CannotKeep, Values
from fixinplace.record.store import Recording
from fixinplace.verify.load import MADE

HERE = Path(__file__)
AS_IT_WAS = replay.Way()


class Kind(enum.Enum):
    ONE = 1


@dataclasses.dataclass
class Plan:
    width: int
    kind: Kind = Kind.ONE


class Pair(NamedTuple):
    left: int
    right: int


class Options:
    pass


class Attributes(dict[str, int]):
    __getattr__ = dict.__getitem__


def helper(value: int) -> int:
    return value


def described(*arguments: Any) -> dict[str, Any]:
    """A call with these arguments, as a recording keeps it; checked as one that is read."""
    values = Values(Places({str(HERE): HERE.name}), frozenset({"spelt out"}), lambda value: None)
    call = values.many(list(arguments), {})
    trouble = values.tensors.share()
    if trouble:
        raise CannotKeep(trouble)
    schema.check_call(call)
    return json.loads(json.dumps(call))


def replayed(call: dict[str, Any], way: replay.Way = AS_IT_WAS) -> list[Any]:
    """The arguments that a replay passes."""
    recording = Recording(HERE.parent, {}, {HERE.name: {"keep": [call]}})
    kept: list[Any] = []
    target = ModuleType("target")
    vars(target).update(vars(sys.modules[__name__]), keep=lambda *arguments: kept.extend(arguments))
    text = snippet.text([replay.body(replay.Called(recording, HERE.name, "keep", call), way)])
    scope: dict[str, Any] = {"target": target}
    exec(compile(text, MADE, "exec"), scope)
    scope["probe"]()
    return kept


options = Options()
options.width = 3  # type: ignore[attr-defined]
EQUAL: dict[str, Any] = {
    "numbers": [1, -2, 0.5, True, None, 3 + 4j, float("inf")],
    "strings": ["spelt out", ""],
    "tuple": (1, (2,), ()),
    "dict": {1: {"spelt out": [2]}},
    "set": {1, 2},
    "size": torch.Size([2, 3]),
    "dtype": torch.bfloat16,
    "memory format": torch.channels_last,
    "device": torch.device("cpu"),
    "enum": Kind.ONE,
    "dataclass": Plan(7),
    "named tuple": Pair(1, 2),
    "attributes": Attributes({"spelt out": 1}),
    "ordered": collections.OrderedDict([(1, 2)]),
    "with a default": collections.defaultdict(list, {1: [2]}),
    "class": nn.BatchNorm2d,
    "own class": Plan,
    "torch function": torch.relu,
    "functional": nn.functional.relu,
    "own function": helper,
    "builtin": len,
    "library": functools.reduce,
}


@pytest.mark.parametrize("name", EQUAL)
def test_what_is_no_tensor_comes_back_equal(name: str):
    (found,) = replayed(described(EQUAL[name]))

    assert found == EQUAL[name]
    assert type(found) is type(EQUAL[name])


@pytest.mark.parametrize("value", [SimpleNamespace(a=1), argparse.Namespace(a=1), options])
def test_attributes_come_back(value: object):
    (found,) = replayed(described(value))

    assert vars(found) == vars(value)


def test_a_partial_function_comes_back():
    (found,) = replayed(described(functools.partial(nn.GroupNorm, 4, eps=0.5)))

    assert (found.func, found.args, found.keywords) == (nn.GroupNorm, (4,), {"eps": 0.5})


TENSORS: dict[str, torch.Tensor] = {
    "float": torch.zeros(2, 3),
    "scalar": torch.tensor(5.0),
    "empty": torch.zeros(0, 3),
    "half": torch.zeros(2, dtype=torch.bfloat16),
    "double": torch.zeros(2, dtype=torch.float64),
    "complex": torch.zeros(2, dtype=torch.complex64),
    "integers": torch.tensor([[3, 9], [4, 4]]),
    "bytes": torch.tensor([7], dtype=torch.uint8),
    "truth": torch.tensor([True, False]),
    "transposed": torch.zeros(2, 3).t(),
    "channels last": torch.zeros(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
    "expanded": torch.zeros(2, 1, 3).expand(2, 4, 3),
    "leaf": torch.zeros(2, requires_grad=True),
    "computed": torch.zeros(2, requires_grad=True) * 2,
    "computed, expanded": (torch.zeros(2, 1, requires_grad=True) * 2).expand(2, 3),
    "parameter": nn.Parameter(torch.zeros(2)),
    "frozen": nn.Parameter(torch.zeros(2), requires_grad=False),
}


@pytest.mark.parametrize("name", TENSORS)
def test_a_tensor_comes_back_with_other_values(name: str):
    tensor = TENSORS[name]
    call = described(tensor)
    (found,) = replayed(call)

    for fact in ("shape", "dtype", "requires_grad", "is_leaf"):
        assert getattr(found, fact) == getattr(tensor, fact), fact
    assert found.stride() == tensor.stride()
    assert type(found) is type(tensor)
    if tensor.dtype in (torch.int64, torch.uint8):
        assert tensor.min() <= found.min() <= found.max() <= tensor.max()


def test_a_tensor_that_is_passed_twice_is_one_tensor_again():
    tensor = torch.zeros(2, 3)
    first, second, third = replayed(described(tensor, [tensor], torch.zeros(2, 3)))

    assert first is second[0]
    assert third is not first


def test_what_was_elsewhere_comes_back_on_the_processor():
    call = {"arguments": [{"tensor": [2], "dtype": "float32", "device": "cuda"}, {"device": "cuda"}]}
    schema.check_call(call)
    tensor, device = replayed(call)

    assert (tensor.device.type, device) == ("cpu", torch.device("cpu"))


def test_tensors_that_share_memory_do_so_again():
    base = torch.zeros(2, 6, requires_grad=True) * 1
    parts = base.chunk(3, -1)
    found = replayed(described(*parts))

    assert [each.shape for each in found] == [each.shape for each in parts]
    assert [each.stride() for each in found] == [each.stride() for each in parts]
    assert len({each.untyped_storage().data_ptr() for each in found}) == 1
    assert [each.storage_offset() for each in found] == [0, 2, 4]
    assert all(each.requires_grad for each in found)


def test_ways_to_replay():
    call = described(torch.zeros(2, 3), torch.tensor([1]))
    double, tracked, unit = (replayed(call, replay.Way(**{way: True})) for way in ("double", "tracked", "unit"))

    assert (double[0].dtype, double[1].dtype) == (torch.float64, torch.int64)
    assert (tracked[0].requires_grad, tracked[0].is_leaf) == (True, False)
    assert 0.1 <= unit[0].min() <= unit[0].max() <= 0.9


def test_the_same_call_is_replayed_with_the_same_values():
    call = described(torch.zeros(64), torch.zeros(64))
    first, second = replayed(call), replayed(call)

    assert torch.equal(first[0], second[0])
    assert not torch.equal(first[0], first[1])


class Wrapped(torch.Tensor):
    pass


KEPT_OUT: dict[str, tuple[Any, str]] = {
    "sparse": (torch.zeros(2).to_sparse(), "a sparse tensor"),
    "subclass": (torch.zeros(2).as_subclass(Wrapped), "a tensor of the class `Wrapped`"),
    "no memory": (torch.zeros(2, device="meta"), "a tensor without memory (device meta)"),
    "small float": (torch.zeros(2).to(torch.float8_e5m2), "a tensor of dtype float8_e5m2"),
    "lambda": (lambda: 1, "`<lambda>`, which cannot be imported by name"),
    "method": (Path().exists, "an object of `builtins.method` whose construction was not seen"),
    "module": (nn.ReLU(), "an object of `torch.nn.modules.activation.ReLU` whose construction was not seen"),
    "bytes": (b"secret", "an object of `builtins.bytes` whose construction was not seen"),
    "data": ([0.5] * 65, "more than 64 numbers in one call, which may be data"),
    "data in rows": ([[1.5, 2.5, 3.5]] * 22, "more than 64 numbers in one call, which may be data"),
    "data in a dict": (dict.fromkeys("abc", [0.5] * 22), "more than 64 numbers in one call, which may be data"),
    "data in a set": (set(range(65)), "more than 64 numbers in one call, which may be data"),
    "data in small tensors": ([torch.tensor(1)] * 65, "more than 64 numbers in one call, which may be data"),
    "deep": (functools.reduce(lambda held, _: [held], range(40), []), "an argument of more than 2000 parts"),
}


@pytest.mark.parametrize("name", KEPT_OUT)
def test_what_cannot_be_kept_says_what_it_is(name: str):
    value, message = KEPT_OUT[name]

    with pytest.raises(CannotKeep) as raised:
        described(value)
    assert message in str(raised.value)
    assert "secret" not in str(raised.value)


def test_memory_that_two_dtypes_share_is_left_out():
    base = torch.zeros(4)

    with pytest.raises(CannotKeep, match="different dtypes that share memory"):
        described(base, base.view(torch.int32))


def test_a_file_that_no_statement_can_import_is_named_as_data():
    call = {"arguments": [{"name": "a; print('x').py:helper"}]}
    recording = Recording(HERE.parent, {}, {HERE.name: {"keep": [call]}})
    schema.check_call(call)

    body = replay.body(replay.Called(recording, HERE.name, "keep", call), AS_IT_WAS)

    assert """__import__("a; print('x')")""" in body


def test_names_of_the_users_are_no_words_of_ours():
    call = described(SimpleNamespace(tensor=1, low=torch.tensor([2]), same=3, number=torch.zeros(2)))
    other = json.loads(json.dumps(call).replace('"low": 2, "high": 2', '"low": 5, "high": 6'))
    (found,) = replayed(call)

    assert (found.tensor, int(found.low), found.same, found.number.shape) == (1, 2, 3, (2,))
    assert call != other
    assert bounds.shape(call) == bounds.shape(other)
    assert bounds.widen(call, other)
    assert '"low": 2, "high": 6' in json.dumps(call)


def test_equal_placeholders_stand_for_equal_strings():
    assert replayed(described("hidden", "other", "hidden")) == ["text 1", "text 2", "text 1"]


WRONG: tuple[object, ...] = (
    3,
    {"unknown": 1},
    {"method": "a.b"},
    {"method": "x()"},
    {"method": "x"},
    {"object": 3},
    {"object": {"build": "x"}},
    {"object": {"build": "a:b"}, "training": "yes"},
    {"dtype": "evil"},
    {"arguments": {}},
    {"named": {"a=1, b": 1}},
    {"arguments": [{"name": "os:system('x')"}]},
    {"arguments": [{"name": "a b:c"}]},
    {"arguments": [{"tensor": ["2"], "dtype": "float32"}]},
    {"arguments": [{"tensor": [2], "dtype": "float32)"}]},
    {"arguments": [{"tensor": [2], "dtype": "float32", "stride": []}]},
    {"arguments": [{"tensor": [2], "dtype": "int64", "low": "0", "high": 1}]},
    {"arguments": [{"tensor": [2], "dtype": "int64", "low": 3, "high": 1}]},
    {"arguments": [{"tensor": [2], "dtype": "int64", "grad": "maybe"}]},
    {"arguments": [{"tensor": [2], "dtype": "float32", "memory": 1}]},
    {"arguments": [{"torch": "os.system"}]},
    {"arguments": [{"float": "1)"}]},
    {"arguments": [{"same": "x"}]},
    {"arguments": [{"same": 4}]},
    {"arguments": [{"placeholder": "x"}]},
    {"arguments": [{"size": ["x"]}]},
    {"arguments": [{"dict": [[1]]}]},
    {"arguments": [{"namespace": {"a b": 1}}]},
    {"arguments": [{"partial": 1, "arguments": [], "named": {}}]},
    {"arguments": [{"tuple": 1}]},
    {"arguments": [{"complex": [1]}]},
    {"arguments": [{"stray": 1, "tuple": []}]},
)


@pytest.mark.parametrize("call", WRONG, ids=str)
def test_what_no_recording_holds_is_refused(call: object):
    with pytest.raises(schema.Wrong):
        schema.check_call(call)
