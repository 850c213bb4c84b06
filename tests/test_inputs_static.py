"""What is guessed and how errors are read: the half without torch."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from fixinplace.inputs import guess, mend, snippet, turning
from fixinplace.inputs.examples import examples
from fixinplace.inputs.knowledge import Knowledge, Parameter, read
from fixinplace.inputs.situation import Fault, Situation
from fixinplace.inputs.snippet import Variant
from fixinplace.inputs.units import homes
from fixinplace.inputs.values import Argument, Build, Code, Literal, Recipe, Record, Series, Tensor, put, walk
from fixinplace.model import Span
from fixinplace.source import Text

X = Tensor((2, 12, 32))
IMAGE = Tensor((2, 32, 16, 16))


def recipe(x: object = X, **init: object) -> Recipe:
    made = tuple(
        Argument(name, value if not isinstance(value, int) else Literal(value)) for name, value in init.items()
    )
    return Recipe("target.Block", made, (Argument("x", x),))  # type: ignore[arg-type]


def codes(
    message: str,
    start: Recipe,
    kind: str = "RuntimeError",
    started: bool = True,
    knowledge: Knowledge | None = None,
    **more: object,
) -> list[str]:
    """The calls that an error leads to, as Python."""
    fault = Fault(kind, message, started=started, **more)  # type: ignore[arg-type]
    init = tuple(Parameter(each.name) for each in start.init or ())
    call = tuple(Parameter(each.name) for each in start.call)
    found = mend.mended(Situation(start, fault, knowledge or Knowledge(), init, call))
    return [snippet.body(each, Variant(tracked=False)).partition("\n")[2] for each in found]


MESSAGES = [
    ("mat1 and mat2 shapes cannot be multiplied (24x32 and 48x9)", X, "torch.randn((2, 12, 48))"),
    ("a and b must have same reduction dim, but got [24, 32] X [48, 9].", X, "torch.randn((2, 12, 48))"),
    (
        "weight of size [8, 3, 3, 3], expected input[2, 32, 16, 16] to have 3 channels, but got 32 channels instead",
        IMAGE,
        "torch.randn((2, 3, 16, 16))",
    ),
    ("The size of tensor a (12) must match the size of tensor b (17) at non-singleton dimension 1", X, "(2, 17, 32)"),
    (
        "Given normalized_shape=[96], expected input with shape [*, 96], but got input of size[2, 12, 32]",
        X,
        "(2, 12, 96)",
    ),
    ("not enough values to unpack (expected 4, got 3)", X, "torch.randn((2, 32, 16, 16))"),
    (
        "Expected 3D (unbatched) or 4D (batched) input to conv2d, but got size: [2, 32]",
        Tensor((2, 32)),
        "(2, 32, 16, 16)",
    ),
    ("expected 4D input (got 3D input)", X, "(2, 32, 16, 16)"),
    (
        "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got float",
        X,
        "torch.randint(0, 10, (2, 12))",
    ),
    ("gather(): Expected dtype int32/int64 for index, but got torch.float32", X, "torch.randint(0, 10, (2, 12))"),
    ("Boolean value of Tensor with more than one value is ambiguous", X, "x=0.3"),
    ("arange() received an invalid combination of arguments - got (Tensor, dtype=torch.dtype)", X, "x=2"),
    ("index out of range in self", Tensor((2, 12), "index", 10), "torch.randint(0, 5, (2, 12))"),
    ("expected scalar type Float but found Long", Tensor((2, 12), "index", 10), "torch.randn((2, 12))"),
    ("Wrong shape: expected 4 dims. Received 3-dim tensor.", X, "(2, 32, 16, 16)"),
    ("Shape mismatch, can't divide axis of length 12 in chunks of 8", X, "(2, 16, 32)"),
    ("Input center must be a Bx2 torch.Tensor. Got torch.Size([2, 12, 32])", X, "torch.randn((2, 2))"),
    ("with made values it returns NaN", X, "torch.rand((2, 12, 32)) * 0.8 + 0.1"),
    ("Kernel size can't be greater than actual input size", IMAGE, "(2, 32, 32, 32)"),
    ("shape '[2, 64, 6]' is invalid for input of size 384", Tensor((2, 12, 16)), "(2, 24, 16)"),
]


@pytest.mark.parametrize(("message", "x", "wanted"), MESSAGES)
def test_an_error_about_a_tensor_leads_to_one_that_fits(message: str, x: Tensor, wanted: str):
    found = codes(message, recipe(x))
    assert any(wanted in code for code in found[:12]), found


def test_widths_that_meet_inside_a_module_are_made_equal():
    message = "The size of tensor a (32) must match the size of tensor b (64) at non-singleton dimension 1"
    found = codes(message, recipe(IMAGE, inplanes=32, planes=64))
    assert any("inplanes=64" in code for code in found)
    assert any("planes=32)" in code for code in found)


def test_a_number_of_layers_never_becomes_a_width():
    found = codes("mat1 and mat2 shapes cannot be multiplied (2x2 and 512x9)", recipe(Tensor((2, 2)), depth=2))
    assert any("(2, 512)" in code for code in found)
    assert not any("depth=512" in code for code in found)


def test_missing_arguments_are_guessed_where_they_are_missing():
    message = "Block.__init__() missing 2 required positional arguments: 'dim' and 'num_heads'"
    found = codes(message, recipe(), "TypeError", started=False)
    assert "dim=32, num_heads=4" in found[0]
    message = "Inner.__init__() missing 1 required positional argument: 'dim'"
    found = codes(message, recipe(inner=Build("target.Inner")), "TypeError", started=False)
    assert "target.Inner(dim=32)" in found[0]


def test_an_object_on_the_way_gets_the_argument_that_a_message_names():
    message, names = "`depth` must be passed in", ("exists", "depth")
    function = "Layers.__init__"
    start = recipe(layers=Build("target.Layers", (Argument("dim", Literal(32)),)))
    found = codes(message, start, "AssertionError", started=False, names=names, function=function)
    assert "layers=target.Layers(dim=32, depth=2)" in found[0]
    assert not any("exists=" in each for each in found)


def test_a_configuration_gets_the_attributes_that_are_asked_for():
    message = "'types.SimpleNamespace' object has no attribute 'hidden_size'"
    found = codes(message, recipe(config=Record()), "AttributeError", started=False)
    assert "SimpleNamespace(hidden_size=32)" in found[0]
    found = codes("'depth'", recipe(config=Record(style="dict")), "KeyError", started=False)
    assert "{'depth': 2}" in found[0]


@pytest.mark.parametrize(
    ("message", "value", "wanted"),
    [
        ("'int' object is not iterable", Literal(16), "size=(16, 16)"),
        (
            "torch.nn.modules.linear.Linear.forward() missing 1 required positional argument: 'self'",
            Code("nn.ReLU"),
            "size=nn.ReLU()",
        ),
        ("size must be a tuple of integers", Literal(3), "size=(3, 3, 3)"),
    ],
)
def test_a_value_of_another_type_is_tried(message: str, value: object, wanted: str):
    found = codes(message, recipe(size=value), "TypeError", started=False, names=("size",))
    assert any(wanted in code for code in found), found


def test_what_a_constructor_fails_of_is_not_what_its_object_is_called_with():
    found = codes("boom 12", recipe(dim=12), "ValueError", started=False)
    assert found
    assert all("(2, 12, 32)" in code for code in found)


def test_words_that_the_code_compares_with_are_tried():
    tree = ast.parse("def f(mode):\n    if mode == 'a': pass\n    elif mode in ('b', 'c'): pass\n")
    knowledge = read(tree, "f")
    assert knowledge.strings["mode"] == ("a", "b", "c")
    found = codes("unknown", recipe(mode=Literal("a")), "ValueError", started=False, knowledge=knowledge)
    assert any("mode='c'" in code for code in found)


SOURCE = '''
from torch import nn
from somewhere import lambda_norm

class Block(nn.Module):
    """A block.

    Args:
        boxes: the boxes, of shape (B, 4).
    """

    def __init__(self, dim, norm=lambda_norm(), layers=[2, 2]):
        self.conv = nn.Conv2d(dim, dim, 3)
        self.gate = make() if layers else None

    def forward(self, x, y, z, boxes, pair):
        b, c, n = x.shape
        a = self.conv(y)
        d = rearrange(z, "b h (x y) c -> b c")
        one, two, three = pair
        if self.gate is not None:
            a += d
        return a

def block18():
    return Block(18, layers=[1, 1], norm=lambda_norm)
'''


def test_the_source_tells_of_dimensions_shapes_calls_and_guards():
    line = SOURCE[: SOURCE.index("a += d")].count("\n") + 1
    known = read(ast.parse(SOURCE), "Block", frozenset({line}))

    assert {name: known.dims[name] for name in "xyz"} == {"x": 3, "y": 4, "z": 4}
    assert known.shapes["boxes"] == ("B", "4")
    assert known.unpacked["pair"] == 3
    assert "gate" in known.guards
    assert "layers" in known.guards
    assert Code("target.lambda_norm()") in known.namesakes["norm"]
    (call,) = known.calls
    assert [each.value.code for each in call] == ["18", "[1, 1]", "target.lambda_norm"]


CALLERS = """
class Net(nn.Module):
    def __init__(self, block, layers, width=8, drop=0.0):
        self.width = width

def _net(block, layers, width=16):
    return Net(block, layers, width=width)

def net18():
    return _net(Basic, [2, 2])

def other(x):
    return Net(Basic, x)

VARIANTS = {"small": {"block": Basic, "layers": [1, 1]}, "another": {"layers": [3], "sides": 4}}

def tiny():
    arguments = dict(layers=[4], width=x)

class Basic(nn.Module): ...
"""


def test_calls_are_followed_through_factories_and_tables():
    known = read(ast.parse(CALLERS), "Net")

    shown = [", ".join(f"{each.name or '-'}={each.value.code or '?'}" for each in call) for call in known.calls]
    assert shown == [
        "-=target.Basic, -=[2, 2], width=16",
        "block=target.Basic, layers=[1, 1]",
        "-=target.Basic, -=?",
        "layers=[4], width=?",
    ]


def test_members_asked_for_by_number_and_shapes_beside_other_values_are_counted():
    source = "def f(parts, ys, z):\n    b, c, d = *z.shape, z.device\n    return parts[0] + parts[2], ys[1] + ys[b]\n"
    known = read(ast.parse(source), "f")

    assert known.indexed == {"parts": 3}
    assert known.dims["z"] == 2
    start = Recipe("target.f", None, (Argument("parts", X),))
    options = Situation(start, Fault("", ""), known, (), (Parameter("parts"),)).options(("call", "parts"))
    assert options[0] == Series((X,) * 3, False)


def test_subscripts_tell_of_dimensions():
    source = "def f(a, b, c, d, e):\n    return a[:, :, i, :], b.shape[3], c.size(3), d[:, i], e[..., None, 0, 1]\n"
    assert read(ast.parse(source), "f").dims == {"a": 4, "b": 4, "c": 4}


def test_a_stand_in_gets_the_attributes_that_are_asked_for():
    knowledge = Knowledge(attributes={"Net": frozenset({"channels"}), "Other": frozenset({"width"})})
    message = "'Passing' object has no attribute 'channels'"
    start = recipe(model=Code("Passing()"))
    found = codes(message, start, "AttributeError", started=False, knowledge=knowledge)
    assert "Block(model=target.Net())" in found[0]
    assert "Block(model=Passing(channels=32))" in found[1]
    message = "'Passing' object has no attribute 'depth'"
    start = recipe(model=Build("Passing", (Argument("channels", Literal(32)),)))
    found = codes(message, start, "AttributeError", started=False)
    assert "Block(model=Passing(channels=32, depth=2))" in found[0]


def test_an_object_is_made_where_a_tensor_lacks_an_attribute():
    found = codes("'Tensor' object has no attribute 'edge_index'", recipe(), "AttributeError")
    assert "SimpleNamespace(edge_index=torch.randint(0, 10, (2, 12)))" in found[0]
    found = codes("'Tensor' object has no attribute 'named_parameters'", recipe(), "AttributeError")
    assert "model(x=Passing())" in found[0]


def test_the_nearest_guards_come_first():
    source = """
class Net(nn.Module):
    def __init__(self, far=None, wide=True):
        if far is not None:
            self.bias = far
    def forward(self, x, near=False):
        if near and self.bias is not None:
            x += self.bias
        return x
"""
    known = read(ast.parse(source), "Net", frozenset({8}))
    assert known.guards[:3] == ("near", "bias", "far")
    options = (Parameter("wide", "", False, Literal(True)), Parameter("far", "", False, Literal(None)))
    found = turning.alternatives(Situation(recipe(), Fault("", ""), known, options, ()))
    assert [path[-1] for path, _ in walk(found[0])][-1] == "far"


def test_switches_of_what_guards_the_code_are_turned_first():
    knowledge = Knowledge(guards=("gate",))
    init = (Parameter("other", "", False, Literal(False)), Parameter("gate", "", False, Literal(False)))
    found = turning.alternatives(Situation(recipe(), Fault("", ""), knowledge, init, ()))
    assert [{path[-1]: value for path, value in walk(each)}["gate"] for each in found[:1]] == [Literal(True)]


def test_an_example_becomes_the_body_of_a_call():
    text = 'def mix(x):\n    """Mix.\n\n    >>> x = torch.ones(2)\n    >>> mix(x)\n    tensor(1)\n    """\n'
    (body,) = examples(ast.parse(text), "mix")
    assert "mix = target.mix" in body
    assert "shown_1 = mix(x)" in body
    assert '"x": x' in body
    assert list(examples(ast.parse(text), "other")) == []


def test_an_example_function_becomes_the_body_of_a_call():
    tree = ast.parse("""
def net(x): ...
def make(): return net
def test_net():
    made = make()
    made(3)
def demo(size):
    net(size)
def example():
    return net(3)
def mainly():
    net(3)
""")
    (body,) = examples(tree, "net")
    moved = "made = prepared(made, made.training) if isinstance(made, nn.Module) else made"
    assert body.splitlines()[1:5] == ["make = target.make", "made = make()", moved, "shown_1 = made(3)"]


def test_values_are_put_and_found_at_their_places():
    deep = recipe(config=Record((Argument("sizes", Series((Literal(1), Literal(2)))),)))
    changed = put(deep, ("init", "config", "sizes", 1), Literal(7))
    assert dict(walk(changed))["init", "config", "sizes", 1] == Literal(7)
    assert "sizes=[1, 7]" in snippet.body(changed, Variant())


def test_a_snippet_uses_what_it_needs_and_another_seed_for_each_call():
    one, two = (
        snippet.body(recipe(dim=4), Variant()),
        snippet.body(recipe(dim=4), Variant(training=False, tracked=False)),
    )
    text = snippet.text([one, two])
    compile(text, "<snippet>", "exec")
    assert "class Passing" not in text
    assert "class Passing" in snippet.text([snippet.body(recipe(fn=Code("Passing()")), Variant())])
    assert one.splitlines()[0] != two.splitlines()[0]
    assert "x = given(torch.randn((2, 12, 32)))" in one
    assert "x = torch.randn((2, 12, 32))" in two
    assert "training=False" in two
    assert ".double()" in snippet.body(recipe(), Variant(double=True))


@pytest.mark.parametrize(
    ("name", "annotation", "wanted"),
    [
        ("in_channels", "", "32"),
        ("embed_dim", "int", "32"),
        ("num_heads", "", "4"),
        ("drop_path", "float", "0.1"),
        ("norm_layer", "", "nn.LayerNorm"),
        ("act_layer", "Type[nn.Module]", "nn.ReLU"),
        ("window_size", "Tuple[int, int]", "(4, 4)"),
        ("config", "", "SimpleNamespace()"),
        ("spatial_dims", "", "2"),
        ("vocab_size", "", "50"),
        ("model", "", "Passing()"),
        ("d_model", "", "32"),
        ("layers", "List[int]", "[2, 2, 2, 2]"),
        ("use_bias", "", "True"),
        ("norm", "tuple | str", "'batch'"),
    ],
)
def test_a_constructor_argument_is_guessed_by_name_and_annotation(name: str, annotation: str, wanted: str):
    assert guess.argument(name, annotation)[0].code == wanted


@pytest.mark.parametrize(
    ("name", "default", "wanted"),
    [
        ("block_config", (6, 12, 24, 16), "(1, 1, 1, 1)"),
        ("layers_per_stage", (2, 6), "(1, 1)"),
        ("block_channels", (16, 32), None),
        ("block_out_channels", (128, 256, 512), "(32, 64, 128)"),
        ("hidden_dims", (100, 65), None),
        ("stage_idxs", (4, 8), None),
    ],
)
def test_defaults_of_a_deep_model_are_made_smaller(name: str, default: tuple[int, ...], wanted: str | None):
    made = guess.smaller(name, Series(tuple(Literal(each) for each in default), False))
    assert (None if made is None else made.code) == wanted


@pytest.mark.parametrize(
    ("name", "shape"),
    [("logit_scale", ()), ("image_features", (2, 32)), ("images", (2, 3, 64, 64)), ("x", (2, 12, 32))],
)
def test_an_input_is_guessed_by_its_name(name: str, shape: tuple[int, ...]):
    assert guess.tensor(name)[0] == Tensor(shape)


@pytest.mark.parametrize(
    "annotation", ["typing.Callable", "collections.abc.Callable[[torch.Tensor], None]", "Optional[nn.Module]"]
)
def test_an_input_that_is_called_gets_a_stand_in(annotation: str):
    assert guess.tensor("on_step", annotation)[0] == Code("Passing()")


def test_the_home_of_a_span_is_its_class_and_what_uses_it_comes_after():
    text = Text("class A:\n    def forward(self): x = 1\n    def helper(self): y = 2\ndef make(): return A()\nz = 3\n")
    spans = [Span(text.text.index(word), text.text.index(word) + 5) for word in ("x = 1", "y = 2", "z = 3")]
    (home,) = homes(ast.parse(text.text), text, spans)
    assert home.ways == (("A", ""), ("A", "helper"), ("make", ""))
    assert home.spans == (0, 1)
    assert home.lines == (2, 3)


def test_the_static_half_does_not_import_torch():
    modules = ", ".join(f"fixinplace.inputs.{name}" for name in ("mend", "snippet", "units", "turning", "examples"))
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_whoever_has_a_configuration_comes_before_an_object_that_needs_one():
    code = """
class Net:
    def __init__(self, {argument}, width=3): pass
    def forward(self, x): a = 1
def make(depth): return Net(depth)
def net18(): return make(18)
"""
    ways = {}
    for argument in ("cfg", "depth"):
        text = Text(code.format(argument=argument))
        start = text.text.index("a = 1")
        (home,) = homes(ast.parse(text.text), text, [Span(start, start + 5)])
        ways[argument] = home.ways
    assert ways == {
        "cfg": (("net18", ""), ("Net", ""), ("make", "")),
        "depth": (("Net", ""), ("net18", ""), ("make", "")),
    }


def test_methods_that_a_forward_does_not_come_by_are_run_first_and_factories_of_factories_are_run():
    text = Text("""
class Net:
    def forward(self, x): return self.step(x)
    def step(self, x): a = 1
    def aside(self, x): b = 2
def _net(depth): return Net()
def net18(): return _net(18)
class User:
    def __init__(self): self.net = Net()
""")
    ways = {}
    for word in ("a = 1", "b = 2"):
        start = text.text.index(word)
        (home,) = homes(ast.parse(text.text), text, [Span(start, start + 5)])
        ways[word] = home.ways
    others = (("User", ""), ("net18", ""), ("_net", ""))
    assert ways["a = 1"] == (("Net", ""), ("Net", "step"), *others)
    assert ways["b = 2"] == (("Net", "aside"), ("Net", ""), *others)
