"""Made inputs go the other way as well: what is right by default and wrong with other arguments is not proved."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from made_models import HEAD

from fixinplace import config, pipeline
from fixinplace.commands.cache import Cache
from fixinplace.commands.making import Maker
from fixinplace.inputs.knowledge import Parameter, read
from fixinplace.inputs.values import Argument, Literal, Recipe
from fixinplace.model import Verdict
from fixinplace.source import parse
from fixinplace.verify import search
from fixinplace.verify.runner import Runner
from fixinplace.verify.starting import Subject
from fixinplace.verify.varying import switched

ADAPTER = """
class Adapter(nn.Module):
    def __init__(self, dim{parameter}):
        super().__init__()
        self.norm = {norm}
        self.down, self.last = nn.Linear(dim, dim), []

    def forward(self, x):
        h = self.norm(x)
        {kept}
        h += 1.0
        return x + torch.relu(self.down(h))
"""


def adapter(norm: str, parameter: str, kept: str = "pass") -> str:
    return ADAPTER.format(norm=norm, parameter=parameter, kept=kept)


NORM = "nn.LayerNorm(dim)"
WAYS = {
    "none": (adapter(NORM, ""), Verdict.PROVED),
    "a truth value": (adapter(f"{NORM} if norm else nn.Identity()", ", norm=True"), None),
    "two widths": (adapter("nn.Linear(dim, out_dim) if dim != out_dim else nn.Identity()", ", out_dim=8"), None),
    "a string": (adapter(f"{NORM} if kind == 'layer' else nn.Identity()", ", kind='layer'").replace(
        "super().__init__()", "super().__init__()\n        if kind == 'none':\n            dim = int(dim)"), None),
    "nothing given": (adapter(f"{NORM} if plain is None else nn.Identity()", ", plain=None"), None),
    "no layers": (adapter(f"nn.Sequential(*[{NORM} for _ in range(depth)])", ", depth=2"), None),
    "what is kept": (adapter(NORM, ", keep=False", "if self.keep:\n            setattr(self, 'last', h)").replace(
        "super().__init__()", "super().__init__()\n        self.keep = keep"), None),
    "a switch that changes nothing": (
        adapter(f"{NORM} if wide else nn.Linear(dim, dim)", ", wide=True"), Verdict.PROVED),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", WAYS)
def test_what_is_wrong_the_other_way_is_not_proved(name: str, lab: Runner, tmp_path: Path):
    text, verdict = WAYS[name]
    path = tmp_path / "model.py"
    path.write_text(HEAD + text)
    source = parse(str(path), path.read_bytes())
    fixes = tuple(pipeline.fixes(pipeline.analyse(source, config.selected((), ())).findings).values())
    assert fixes
    probes = Maker(lab, Cache(None)).make(source, fixes).probes
    assert probes

    proof = search.prove(path.read_text(), str(path), fixes, probes, lab)

    found = {ruling.verdict for ruling in proof.rulings.values()}
    assert found == {verdict} if verdict is not None else Verdict.PROVED not in found, proof.rulings


def thrown(*parameters: Parameter, text: str = "") -> list[tuple[str, object]]:
    """What is another value in each recipe, for a function whose first parameters are given as their defaults say."""
    given = tuple(Argument(each.name, each.default) for each in parameters if each.default is not None)
    recipe = Recipe("f", None, given)
    subject = Subject(read(ast.parse(text), "f"), (), parameters, ())
    found = []
    for other in switched(recipe, subject):
        (changed,) = set(other.call) - set(recipe.call)
        assert isinstance(changed.value, Literal)
        found.append((changed.name, changed.value.value))
    return found


def test_every_switch_is_thrown_by_itself():
    flags = [Parameter(name, needed=False, default=Literal(value)) for name, value in (("bias", True), ("pre", False))]
    widths = [Parameter("in_dim", default=Literal(8)), Parameter("out_dim", default=Literal(16))]
    text = "def f(mode):\n    if mode == 'a':\n        pass\n    elif mode == 'b':\n        pass\n"
    text += "    if plain is None or mask is None:\n        pass\n"

    assert thrown(*flags) == [("bias", False), ("pre", True)]
    assert thrown(*widths) == [("out_dim", 8)]
    assert thrown(Parameter("stride", default=Literal(2)), Parameter("n_layers", default=Literal(3))) == [
        ("stride", 1),
        ("n_layers", 0),
    ]
    assert thrown(Parameter("mode", default=Literal("a")), text=text) == [("mode", "b")]
    nothing = [Parameter(name, needed=False, default=Literal(None)) for name in ("plain", "mask", "other")]
    assert thrown(*nothing, text=text) == [("plain", 1)]
    assert thrown(Parameter("dim", default=Literal(16)), Parameter("heads", default=Literal(2))) == []
