"""Nothing that torch can write in place falls through: names are read off the installed torch, not off the tables."""

import functools
import inspect
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F

from fixinplace import catalogue, names
from fixinplace.catalogue import Form, Memory, result, writer, writers
from fixinplace.catalogue.sample import storage

ROWS = {row.name: row for row in writers()}
IMPLICIT = (
    "torch.nn.functional.embedding(max_norm=)",
    "torch.nn.functional.embedding_bag(max_norm=)",
    "torch.nn.functional.batch_norm(training=True)",
    "torch.nn.functional.instance_norm(use_input_stats=True)",
    "torch.optim.Optimizer.step",
    "torch.nn.Module.load_state_dict",
    "torch.nn.utils.vector_to_parameters",
    "torch.utils.swap_tensors",
    "torch.autograd.graph.increment_version",
)


def resolved(name):
    """The object with this catalogue name; AttributeError if torch has none."""
    name = name.split("(")[0]
    path = f"torch.{name}" if name.startswith("Tensor.") else name
    return functools.reduce(getattr, path.split(".")[1:], torch)


def ends_in_place(name):
    return name.endswith("_") and not name.endswith("__")


def callables(owner):
    found = {name: getattr(owner, name) for name in dir(owner)}
    return {name: value for name, value in found.items() if callable(value) and not inspect.isclass(value)}


def schemas():
    return [s for s in torch._C._jit_get_all_schemas() if s.name.startswith("aten::")]


def parameters(function):
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # builtins have no signature
        return {}


@pytest.mark.parametrize(
    ("prefix", "owner", "least"),
    [
        ("Tensor", torch.Tensor, 165),
        ("torch", torch, 130),
        ("torch.nn.functional", F, 9),
        ("torch.nn.init", torch.nn.init, 19),
    ],
)
def test_every_name_ending_in_an_underscore(prefix, owner, least):
    found = [f"{prefix}.{name}" for name in callables(owner) if ends_in_place(name)]
    assert len(found) >= least
    assert [name for name in found if name not in ROWS] == []


def test_every_flag():
    functionals = [f"torch.nn.functional.{n}" for n, f in callables(F).items() if "inplace" in parameters(f)]
    modules = [
        f"torch.nn.{n}"
        for n in dir(torch.nn)
        if inspect.isclass(c := getattr(torch.nn, n)) and "inplace" in parameters(c)
    ]
    assert (len(functionals), len(modules)) == (20, 19)
    assert [name for name in functionals + modules if ROWS[f"{name}(inplace=)"].form is not Form.FLAG] == []


def test_every_out():
    spaces = {
        "torch": "",
        "torch.special": "special_",
        "torch.linalg": "linalg_",
        "torch.fft": "fft_",
        "torch._C._nn": "",
    }
    with_out = {s.name.removeprefix("aten::") for s in schemas() if any(a.is_out for a in s.arguments)}
    found = [
        f"{space}.{name}(out=)"
        for space, prefix in spaces.items()
        for name, function in callables(resolved(f"{space}.x"[:-2]) if space != "torch" else torch).items()
        if not name.startswith("_")
        and not ends_in_place(name)
        and prefix + name in with_out
        and not parameters(function)
    ]
    found += [f"torch.nn.functional.{n}(out=)" for n, f in callables(F).items() if "out" in parameters(f)]
    assert len(found) > 540
    assert [name for name in found if name not in ROWS] == []


def test_every_augmented_assignment():
    symbols = "add sub mul truediv floordiv mod pow and or xor lshift rshift".split()
    for symbol in symbols:
        assert ROWS[f"Tensor.__i{symbol}__"].form is Form.OPERATOR
        assert resolved(ROWS[f"Tensor.__i{symbol}__"].counterpart)
    assert not hasattr(torch.Tensor, "__imatmul__")
    assert writer("Tensor.__imatmul__") is None
    assert ROWS["Tensor.__setitem__"].form is Form.STORE


def test_every_foreach_and_fused_function():
    found = [
        f"torch.{name}" for name in dir(torch) if name.startswith(("_foreach_", "_fused_")) and ends_in_place(name)
    ]
    assert len(found) >= 48
    assert {ROWS[name].rule for name in found} == {"FIP115"}


def test_every_schema_that_writes():
    """Public names without an underscore whose schema says that an argument is written."""
    owners = {"Tensor": torch.Tensor, "torch": torch, "torch._C._nn": torch._C._nn}
    writing = {
        s.name.removeprefix("aten::")
        for s in schemas()
        if torch._C._dispatch_has_kernel(f"{s.name}.{s.overload_name}" if s.overload_name else s.name)
        and any(a.alias_info is not None and a.alias_info.is_write and not a.is_out for a in s.arguments)
    }
    found = [f"{prefix}.{name}" for prefix, owner in owners.items() for name in writing if hasattr(owner, name)]
    assert len(found) > 250
    assert [name for name in found if name not in ROWS and not name.startswith("torch._C._nn")] == []


def test_implicit_writers_have_a_decision():
    for name in IMPLICIT:
        assert ROWS[name].refusal, name
        assert ROWS[name].rule is None, name


def test_every_row_has_exactly_one_decision():
    for row in ROWS.values():
        assert (row.form is Form.NONE) == (row.refusal is not None), row
        assert row.refusal is None or row.refusal in names.REFUSALS, row
        assert row.rule is None or names.rule(row.rule) is not None, row
        assert row.rule is not None or row.form is Form.NONE, row
        if row.form in (Form.SAME, Form.CAST, Form.CALL, Form.VIEW, Form.RANDOM, Form.FLAG, Form.OUT, Form.OPERATOR):
            assert callable(resolved(row.counterpart)), row


def test_counterparts_write_nothing_themselves():
    for row in ROWS.values():
        if row.counterpart and row.form not in (Form.FLAG, Form.OUT):
            assert row.counterpart not in ROWS or ROWS[row.counterpart].rule is None, row


def test_twins_take_the_same_arguments():
    """Whatever can be given to `x.op_` can be given to `x.op`: for every overload the same names in the same order."""
    overloads = {}
    for schema in schemas():
        arguments = tuple(a.name if a.name != "input" else "self" for a in schema.arguments if not a.is_out)
        overloads.setdefault(schema.name.removeprefix("aten::"), set()).add(arguments)
    of_numbers = {("self", "b"), ("self", "n")}  # TorchScript's list and number overloads
    for row in ROWS.values():
        if row.form in (Form.SAME, Form.CAST) and not row.name.startswith("torch.nn."):
            name = row.name.rsplit(".", 1)[-1]
            assert overloads[name] - overloads[name[:-1]] <= of_numbers, row


def test_arguments_that_mean_something_else_to_the_counterpart():
    """`F.elu_(x, alpha, scale)` against `F.elu(x, alpha, inplace)`."""
    assert ROWS["torch.nn.functional.elu_"].shared == ("input", "alpha")
    assert ROWS["torch.nn.functional.rrelu_"].shared == ("input", "lower", "upper", "training")
    assert ROWS["torch.nn.functional.hardtanh_"].shared == ()
    x = torch.randn(3)
    assert not torch.equal(F.elu_(x.clone(), 1.0, 2.0), F.elu(x.clone(), 1.0, 2.0))


def arguments_before(row, given):
    """Arguments up to the flag: defaults, training switched on, 0.5 where none is given."""
    special = {"training": True, inspect.Parameter.empty: 0.5}
    return [special.get(p.name, special.get(p.default, p.default)) for p in given[: row.flag_position]]


@pytest.mark.parametrize("name", [n for n, row in ROWS.items() if row.rule == "FIP106"])
def test_flag_positions_of_functionals(name):
    row, function = ROWS[name], resolved(name)
    given = arguments_before(row, list(parameters(function).values()))[1:]
    x = torch.randn(2, 3, 4) if "1d" in name else torch.randn(2, 3, 4, 5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)
        function(x, *given, True)
    assert x._version > 0
    assert list(parameters(function))[row.target_position] == row.target_keyword


@pytest.mark.parametrize("name", [n for n, row in ROWS.items() if row.rule == "FIP107"])
def test_flag_positions_of_modules(name):
    row, made = ROWS[name], resolved(name)
    given = arguments_before(row, list(parameters(made).values()))
    assert made(*given, True).inplace is True
    x = torch.randn(2, 3, 4) if "1d" in name else torch.randn(2, 3, 4, 5)
    made(*given, True)(x)
    assert x._version > 0 or made in (torch.nn.AlphaDropout, torch.nn.FeatureAlphaDropout)  # torch forgets their flag


def test_targets_of_functions():
    x = torch.rand(3)
    for name, rest in (
        ("relu_", ()),
        ("neg_", ()),
        ("index_put_", ((torch.tensor(0),), torch.tensor(1.0))),
        ("fill_", (0.5,)),
    ):
        row = ROWS[f"torch.{name}"]
        before = x._version
        resolved(row.name)(*rest[: row.target_position], x, *rest[row.target_position :])
        assert x._version == before + 1
    torch.relu_(**{ROWS["torch.relu_"].target_keyword: x})
    torch.nn.init.zeros_(**{ROWS["torch.nn.init.zeros_"].target_keyword: x})
    assert x.sum() == 0


def test_casts_are_needed_and_enough():
    integers = torch.tensor([1, 2, 3], dtype=torch.int32)
    arguments = {"cumsum_": (0,), "cumprod_": (0,), "logical_not_": ()}
    cast = [row for row in ROWS.values() if row.form is Form.CAST]
    assert len(cast) == 17
    for row in cast:
        given = arguments.get(row.name.split(".")[1], (integers.flip(0),))
        plain = resolved(row.counterpart)(integers.clone(), *given)
        written = resolved(row.name)(integers.clone(), *given)
        assert plain.dtype is not written.dtype, row
        assert torch.equal(plain.to(written.dtype), written), row


def test_views_keep_the_storage():
    arguments = {
        "as_strided": ((2,), (1,)),
        "transpose": (0, 1),
        "swapaxes": (0, 1),
        "swapdims": (0, 1),
        "unsqueeze": (0,),
    }
    for row in ROWS.values():
        if row.form is Form.VIEW:
            x = torch.randn(3, 4)
            twin = row.counterpart.rsplit(".", 1)[-1]
            view = resolved(row.counterpart)(x, *arguments.get(twin, ()))
            assert storage(view) == storage(x), row
            assert row.metadata
            assert result(row.counterpart).memory is Memory.VIEW


def test_no_view_is_taken_for_a_new_value():
    for row in ROWS.values():
        if row.form in (Form.SAME, Form.CAST) and (found := result(row.counterpart)) is not None:
            assert found.memory is not Memory.VIEW, row


def test_random_rows_draw_numbers():
    for row in ROWS.values():
        if row.form is Form.RANDOM:
            drawn = resolved(row.name)(torch.full((64,), 0.5), *((0.5,) if "geometric" in row.name else ()))
            assert drawn.unique().numel() > 1, row
            assert row.random


def test_unknown_methods():
    assert catalogue.is_unknown_in_place("entwine_")
    for known in ("add_", "relu_", "__iadd__", "add", "_", "zero_", "requires_grad_", "__setitem__"):
        assert not catalogue.is_unknown_in_place(known)


def test_unknown_names_are_absent():
    for name in ("Tensor.entwine_", "torch.entwine", "add_", "torch.ReLU", "numpy.add"):
        assert writer(name) is None
        assert result(name) is None


PROGRAM = """
import dataclasses, enum, json, pathlib, sys, time
import fixinplace
start = time.process_time()
from fixinplace import catalogue
assert catalogue.writer("Tensor.add_") and catalogue.result("torch.relu") and not catalogue.is_unknown_in_place("mul_")
print(time.process_time() - start)
assert catalogue.writers() and catalogue.results()
assert "torch" not in sys.modules and "numpy" not in sys.modules
"""


def test_lookup_is_quick_and_does_not_import_torch():
    """Best of three: seconds of CPU time for import and first lookups."""
    took = [
        float(subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True).stdout) for _ in range(3)
    ]
    assert min(took) < 0.02
