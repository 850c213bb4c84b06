"""Made inputs go the other way as well: what is right by default and wrong with other arguments is not proved."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest
from made_models import HEAD

from fixinplace import config, pipeline
from fixinplace.commands.cache import Cache
from fixinplace.commands.making import Made, Maker
from fixinplace.inputs.flowing import passed_on
from fixinplace.inputs.knowledge import Parameter, read
from fixinplace.inputs.values import Argument, Literal, Recipe
from fixinplace.model import Fix, Verdict
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
    "a string that is passed on": (
        adapter("built(act)", ", act='layer'").replace("torch.relu(self.down(h))", "h") +
        "\ndef built(name):\n    return nn.Identity() if name is None else nn.Softplus()\n", None),
    "a number": (adapter(f"{NORM} if drop > 0.05 else nn.Identity()", ", drop=0.1"), None),
    "several that are passed in": (adapter("nn.Sequential(*(blocks or [nn.Linear(dim, dim)]))", ", blocks=None"), None),
    "a dtype": (
        adapter(NORM, ", acc_dtype=None", "h, y = torch.zeros(x.shape, dtype=self.acc_dtype or x.dtype), h")
        .replace("super().__init__()", "super().__init__()\n        self.acc_dtype = acc_dtype")
        .replace("h += 1.0", "h += y").replace("torch.relu(self.down(h))", "h"), None),
    "a switch that changes nothing": (
        adapter(f"{NORM} if wide else nn.Linear(dim, dim)", ", wide=True"), Verdict.PROVED),
}  # fmt: skip


def searched(text: str, lab: Runner, folder: Path) -> tuple[Path, tuple[Fix, ...], Made]:
    """A file with the text, its fixes, and the inputs that are made for them."""
    path = folder / "model.py"
    path.write_text(HEAD + text)
    source = parse(str(path), path.read_bytes())
    fixes = tuple(pipeline.fixes(pipeline.analyse(source, config.selected((), ())).findings).values())
    assert fixes
    made = Maker(lab, Cache(None)).make(source, fixes)
    return path, fixes, made


@pytest.mark.slow
@pytest.mark.parametrize("name", WAYS)
def test_what_is_wrong_the_other_way_is_not_proved(name: str, lab: Runner, tmp_path: Path):
    text, verdict = WAYS[name]
    path, fixes, made = searched(text, lab, tmp_path)
    assert made.probes

    proof = search.prove(path.read_text(), str(path), fixes, made.probes, lab, unsettled=made.unsettled)

    found = {ruling.verdict for ruling in proof.rulings.values()}
    assert found == {verdict} if verdict is not None else Verdict.PROVED not in found, proof.rulings


def kept(code: str, parameter: str = "", made: str = "", method: str = "") -> str:
    """The adapter, whose forward does something with its tensor before that is written."""
    text = adapter(NORM, parameter, code).replace("super().__init__()", f"super().__init__()\n        {made or 'pass'}")
    return "import heapq\nfrom collections import deque\nfrom types import SimpleNamespace\n" + text + method


RECORD = """
    def record(self, h):
        if self.trace is not None:
            self.trace['h'] = h
"""
KEPT = {
    "a callback": (kept("if self.tell is not None: self.tell(h)", ", tell=None", "self.tell = tell"), "`self.tell(h)`"),
    "what its method does": (
        kept("if self.to: self.to.update(h)", ", to=None", "self.to = to"), "`self.to.update(h)`"),
    "one of several": (kept("for sink in self.tap: sink.put(h)", ", tap=()", "self.tap = tap"), "`sink.put(h)`"),
    "always": (kept("self.tell(h)", ", tell=None", "self.tell = tell or print"), "`self.tell(h)`"),
    "in a method": (kept("self.record(h)", "", "self.trace = None", RECORD), "`self.trace['h']`"),
    "in a library": (
        kept("if self.keep: heapq.heappush(self.heap, (0, h))", ", keep=False", "self.keep, self.heap = keep, [None]"),
        "`heapq.heappush(self.heap, (0, h))`"),
    "in a library, every time": (kept("deque([h], 1)"), ""),
    "an object made of it": (
        kept("got = SimpleNamespace(h=h) if self.keep else None", "", "self.keep = False"), "`SimpleNamespace(h=h)`"),
    "a part of what is made of it": (
        kept("got = dict(h=h) if self.keep else None", "", "self.keep = False"), "`dict(h=h)`"),
    "by a computed name": (
        kept("if self.keep: setattr(self, 'la' + self.keep, h)", "", "self.keep = ''"),
        "`setattr(self, 'la' + self.keep, h)`"),
    "a pattern": (
        kept("if self.keep:\n            match h:\n                case got: print(got)", made="self.keep = 0"), "`h`"),
    "a default": (
        kept("if self.keep:\n            def tell(h=h): return h", "", "self.keep = False"), "`h`"),
    "a decorator": (
        kept("if self.keep:\n            @self.keep(h)\n            def tell(): pass", "", "self.keep = None"), "`h`"),
    "a default of what is called by name": (
        kept("if self.keep:\n            def tell(*, last=h): return last", "", "self.keep = False"), "`h`"),
    "the body of a class": (
        kept("if self.keep:\n            class Seen:\n                last = h", "", "self.keep = False"), "`h`"),
    "a default of a lambda in a class": (
        kept("if self.keep:\n            class Seen: of = lambda h=h: h", "", "self.keep = 0"), "`h`"),
    "a closure, which finds what is bound by then": (
        kept("if self.keep:\n            def tell(): return h", "", "self.keep = False"), ""),
    "an object made of it, every time": (kept("got = SimpleNamespace(h=h.sum())"), ""),
    "a value that is used": (kept("h = h + self.made(h)", ", fn=None", "self.made = fn or torch.sin"), ""),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", KEPT)
def test_what_may_keep_the_tensor_must_have_run(name: str, lab: Runner, tmp_path: Path):
    text, keeper = KEPT[name]
    path, fixes, made = searched(text, lab, tmp_path)

    guessed = search.prove(path.read_text(), str(path), fixes, made.probes, lab, unsettled=made.unsettled)
    known = [replace(probe, recorded=True) for probe in made.probes]
    recorded = search.prove(path.read_text(), str(path), fixes, known, lab, unsettled=made.unsettled)

    (ruling,), (other,) = guessed.rulings.values(), recorded.rulings.values()
    assert other.verdict is Verdict.PROVED, other
    if keeper:
        assert (ruling.verdict, ruling.reason) == (Verdict.UNPROVED, "not-reached")
        assert ruling.sentence.startswith(f"{keeper} in line "), ruling.sentence
        assert guessed.text == path.read_text()
    else:
        assert ruling.verdict is Verdict.PROVED, ruling


def chosen(norm: str, behind: str = "", method: str = "") -> str:
    return "import os\n" + adapter(norm, ", kind='layer'") + method + behind


METHOD = """
    def fuse(self):
        self.norm = nn.Identity()
"""
BUILT = """
def built(dim):
    {}
"""
HANDED = {
    "a variable": (chosen(f"nn.Identity() if os.environ.get('PLAIN') else {NORM}"), "nn.Identity()"),
    "a table": (chosen("{'layer': nn.Softplus(), 'a': nn.Tanh()}.get(kind, nn.Identity())"), "nn.Identity()"),
    "a class in a table": (chosen("{'layer': nn.Softplus, 'none': nn.Identity}[str(kind)]()"), "nn.Identity"),
    "a method": (chosen(NORM, method=METHOD), ""),
    "a lambda": (chosen("built(dim)", BUILT.format("return nn.Tanh() if dim else (lambda v: v)")), "v"),
    "a closure": (
        chosen("built(dim)", BUILT.format("def f(v):\n        return v[:9] if dim else v\n    return f")), ""),
    "a call that hands on": (
        chosen("built(dim)", BUILT.format("def f(v):\n        if v.dim() > 7:\n            return v.view(-1)\n"
                                          "        return v * 2\n    return f")), "v.view(-1)"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", HANDED)
def test_what_hands_on_its_input_must_have_run(name: str, lab: Runner, tmp_path: Path):
    text, handed = HANDED[name]
    path, fixes, made = searched(text, lab, tmp_path)

    proof = search.prove(path.read_text(), str(path), fixes, made.probes, lab, unsettled=made.unsettled)

    (ruling,) = proof.rulings.values()
    assert ruling.verdict is not Verdict.PROVED
    if handed:
        assert ruling.sentence.startswith(f"`{handed}` in line "), ruling.sentence
        assert "hands on what it is given, and no made input" in ruling.sentence


def test_names_that_an_argument_is_passed_on_by():
    text = "def f(name, size):\n    return g(size)\ndef g(depth): pass\n"
    text += "class A:\n    def __init__(self, act, n, *rest):\n        f(act, size=self.n)\n        f(*rest)\n"
    text += "        h(n)\n"

    assert passed_on(ast.parse(text)) == {
        "act": frozenset(("name",)),
        "n": frozenset(("size", "depth")),
        "size": frozenset(("depth",)),
    }


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
    built = "def built(kind):\n    return kind is None or kind in ('x', 'y')\ndef f(act):\n    return built(act)\n"
    assert thrown(Parameter("act", default=Literal("x")), text=built) == [("act", None), ("act", "y")]
    assert thrown(Parameter("dim", default=Literal(16)), Parameter("heads", default=Literal(2))) == []
