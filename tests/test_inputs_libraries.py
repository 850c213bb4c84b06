"""Classes in the manner of libraries: several numbers, tables, pyramids of features, weights that are fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from test_inputs_switches import searched

from fixinplace.inputs import guess
from fixinplace.inputs.knowledge import Knowledge, Parameter
from fixinplace.inputs.many import pyramids
from fixinplace.inputs.objects import attributes
from fixinplace.inputs.situation import Fault, Situation
from fixinplace.inputs.sizes import dimensions
from fixinplace.inputs.turning import offline
from fixinplace.inputs.values import Argument, Code, Literal, Recipe, Record, Series, Tensor, Value
from fixinplace.model import Verdict
from fixinplace.verify import search
from fixinplace.verify.runner import Runner

Rule = Callable[[Situation], Iterable[Recipe]]

FOUND = {
    "features of several stages": """
class Head(nn.Module):
    def __init__(self, in_channels=[8, 16, 32], inner=16):
        super().__init__()
        self.laterals = nn.ModuleList([nn.Conv2d(c, inner, 1) for c in in_channels])
        self.up = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, features):
        c2, c3, c4 = features
        out = self.laterals[2](c4)
        out = self.up(out) + self.laterals[1](c3)
        out = self.up(out) + self.laterals[0](c2)
        out += 1
        return out
""",
    "a table of words": """
class Embeddings(nn.Module):
    def __init__(self, classes, width=8):
        super().__init__()
        self.tables = nn.ModuleList([nn.Linear(len(words), width) for words in classes.values()])

    def forward(self, x):
        h = sum(table(x[..., : table.in_features]) for table in self.tables)
        h += 1
        return h
""",
    "a size": """
from typing import Tuple


def scaled(points: torch.Tensor, size: Tuple[int, ...]):
    high, wide = size
    scaled = points * (4.0 / high) + float(wide)
    scaled += 1
    return scaled
""",
    "lists that are stacked": """
from typing import List


class Loss(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.register_buffer("centre", torch.zeros(1, 1, width))

    def forward(self, teacher: List[torch.Tensor], student: List[torch.Tensor]):
        t = torch.softmax(torch.stack(teacher) - self.centre, dim=-1)
        s = torch.log_softmax(torch.stack(student), dim=-1)
        loss = -torch.einsum("tbc,sbc->ts", t, s)
        loss += 1
        return loss.mean()
""",
    "gradients that are sparse": """
class Words(nn.Module):
    def __init__(self, count=10, width=8, sparse=True):
        super().__init__()
        self.table = nn.Embedding(count, width, sparse=sparse)

    def forward(self, indices):
        h = self.table(indices)
        h += 1
        return h
""",
    "weights that are fetched": """
import urllib.request


class Metric(nn.Module):
    def __init__(self, pretrained=True, net_rand=False, width=8):
        super().__init__()
        self.net = nn.Linear(width, width)
        if pretrained or not net_rand:
            urllib.request.urlopen("http://example.invalid/weights")

    def forward(self, x):
        h = self.net(x)
        h += 1
        return h
""",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FOUND)
def test_inputs_are_found(name: str, lab: Runner, tmp_path: Path):
    path, fixes, made = searched(FOUND[name], lab, tmp_path)
    assert made.probes

    proof = search.prove(path.read_text(), str(path), fixes, made.probes, lab, unsettled=made.unsettled)

    assert {ruling.verdict for ruling in proof.rulings.values()} == {Verdict.PROVED}


@pytest.mark.parametrize(
    ("annotation", "code"),
    [("Tuple[int, ...]", "(16, 16)"), ("tuple[int, int, int]", "(16, 16, 16)"), ("List[int]", "[16, 16]"),
     ("Optional[Sequence[float]]", "[0.5, 0.5]"), ("List[torch.Tensor]", None), ("Dict[int, int]", None)],
)  # fmt: skip
def test_several_numbers(annotation: str, code: str | None):
    first = guess.tensor("size_of_it", annotation)[0]

    assert first.code == code if code is not None else not first.code.startswith(("(16", "[16"))


def told(message: str, parameters: tuple[Parameter, ...], given: tuple[Argument, ...] = ()) -> list[dict[str, Value]]:
    """What the rule makes of the constructor's arguments."""
    recipe = Recipe("target.Net", given, (Argument("x", Tensor((2, 3))),))
    situation = Situation(recipe, Fault("URLError", message), Knowledge(), parameters, (Parameter("x"),))
    return [{each.name: each.value for each in made.init or ()} for made in offline(situation)]


FLAGS = (
    Parameter("pretrained", needed=False, default=Literal(True)),
    Parameter("weights", needed=False, default=Literal("IMAGENET")),
    Parameter("pnet_rand", needed=False, default=Literal(False)),
    Parameter("width", needed=False, default=Literal(8)),
)


def test_weights_are_drawn_where_they_cannot_be_fetched():
    none = Literal(None)

    assert told("<urlopen error [Errno -3] Temporary failure in name resolution>", FLAGS) == [
        {"pretrained": Literal(False), "weights": none, "pnet_rand": Literal(True)},
        {"pretrained": Literal(False)},
        {"weights": none},
        {"pnet_rand": Literal(True)},
    ]
    assert told("mat1 and mat2 shapes cannot be multiplied", FLAGS) == []
    off = (Argument("pretrained", Literal(False)), Argument("weights", Code("None")))
    assert told("urlopen", FLAGS[:2], off) == [{each.name: each.value for each in off}]


def asked(
    rule: Rule, kind: str, message: str, *call: Argument, init: tuple[Argument, ...] | None = None
) -> list[Recipe]:
    """What a rule makes of an error."""
    return list(rule(Situation(Recipe("target.Net", init, call), Fault(kind, message), Knowledge(), (), ())))


def images(*shapes: tuple[int, ...]) -> Series:
    return Series(tuple(Tensor(shape) for shape in shapes))


def test_stages_with_channels_of_their_own_become_a_pyramid():
    stages = images((2, 8, 16, 16), (2, 32, 16, 16))
    made = asked(pyramids, "RuntimeError", "The size of tensor a (32) must match", Argument("features", stages))

    assert [each.call[0].value for each in made] == [
        images((2, 8, 32, 32), (2, 32, 16, 16)), images((2, 8, 16, 16), (2, 32, 32, 32))]  # fmt: skip
    uneven = Argument("features", images((2, 8, 16, 16), (2, 32, 8, 8)))
    assert asked(pyramids, "RuntimeError", "The size of tensor a (32) must match", uneven) == []


@pytest.mark.parametrize("value", [Literal(10), Series((Literal(10), Literal(4))), Tensor((2, 3))])
def test_a_table_is_made_where_one_is_asked_for_its_values(value: Value):
    message = f"'{'int' if isinstance(value, Literal) else 'list'}' object has no attribute 'values'"
    (made,) = asked(attributes, "AttributeError", message, init=(Argument("classes", value),))
    (table,) = made.init or ()

    inside = value if isinstance(value, Series) else Series((Literal(2),) * 3)
    assert table.value == Record((Argument("first", inside), Argument("second", inside)), "dict")


def test_tensors_of_two_lists_lose_a_dimension_together():
    lists = [Argument(name, images((2, 32, 16, 16), (2, 32, 16, 16))) for name in ("teacher", "student")]
    message = "the number of subscripts in the equation (3) does not match the number of dimensions (5) for operand 0"

    flat = images((2, 32), (2, 32))
    found = asked(dimensions, "RuntimeError", message, *lists)
    assert [flat, flat] in [[each.value for each in made.call] for made in found]
