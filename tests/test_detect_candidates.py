"""A file that is not read any further for want of candidates has no sites; see Note [Candidates]."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from fixinplace import catalogue
from fixinplace.detect import candidates, reader, sites
from fixinplace.model import Found
from fixinplace.source import Text

CORPUS = Path(__file__).parent.parent / "corpus"
HEAD = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n"
PASSED_OVER = (
    "def f(m):\n    nn.init.normal_(m.weight)\n    torch.nn.init.zeros_(m.bias)\n",
    "from torch.nn import init\ndef f(w):\n    init.kaiming_normal_(w)\n",
    "class Net(nn.Module):\n    def forward(self, x):\n        y = self.relu(x) + x.add(1)\n        return F.relu(y)\n",
    "net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(False), nn.Dropout(0.5, inplace=False))\n",
    "def f(x):\n    text = 'a'\n    text += f'{x}'\n    x.shape += (1,)\n    return text, x.data, x.real, x.requires_grad_()\n",
    "def f(xs):\n    found = {}\n    for i, x in enumerate(xs):\n        found[i] = x\n    return found\n",
    "def f(xs):\n    made, n = [], 0\n    kept = list(xs)\n    count = len(xs)\n    kept[0], kept[1] = xs\n    count -= 1\n    count += 2.5\n",
    "class Act(nn.Module):\n    def __init__(self, inplace):\n        self.inplace = inplace\n",
    "from torch.nn import ReLU as Act\nON = True\nact = Act(ON)\n",
    "net = nn.Sequential(nn.Linear(2, n), nn.ReLU(n > 2), F.relu(x), nn.ELU(alpha))\n",
)
READ = (
    "from torch import relu_ as r\ndef f(x: torch.Tensor):\n    r(x)\n",
    "from torch import *\ndef f(x: torch.Tensor):\n    relu_(x)\n",
    "from torch.nn import ReLU as Act\nact = Act(True)\n",
    "act = nn.ReLU\nlayer = act(True)\n",
    "def f(x: torch.Tensor, y):\n    act = F.relu_\n    act(x)\n",
    "def f(x: torch.Tensor):\n    for x[0] in range(3):\n        pass\n",
    "def f(x: torch.Tensor, y):\n    (a, x[0]) = y\n",
    "def f(x: torch.Tensor, y):\n    x.data, b = y\n",
    "def f(x: torch.Tensor):\n    with torch.enable_grad() as x[0]:\n        pass\n",
    "def f(x: torch.Tensor):\n    x . mul_ (2)\n",
    "def f(x: torch.Tensor):\n    x.unheard_of_(2)\n",
    "def f(x: torch.Tensor, init):\n    init.normal_(x)\n",
    "def f(x: torch.Tensor):\n    torch.add(x, 1, out=x)\n",
    "from functools import partial\nact = partial(nn.ELU, inplace=True)\n",
    "def f(nn, x: torch.Tensor):\n    nn.init.normal_(x)\n",
    "def f(x: torch.Tensor):\n    found = {}\n    found[0] = x\ndef g(found: torch.Tensor):\n    found[0] = 1\n",
    "def f(x: torch.Tensor):\n    n = 0\n    n = x\n    n += 1\n",
    "def f(x: torch.Tensor):\n    n = 0\n    n += x\n    n += 1\n",
    "def f(x: torch.Tensor):\n    n = x = x.relu()\n    n += 1\n",
    "def list(x):\n    return x\ndef f(x: torch.Tensor):\n    y = list(x)\n    y[0] = 1\n",
    "from torch import *\ny = []\ny[0] = 1\n",
    "def f(x: torch.Tensor):\n    found = [x]\n    found[0][1] = 1\n",
    "def f(x: torch.Tensor):\n    found = [x]\n    found[0] += 1\n",
    "def f(x: torch.Tensor):\n    x *= 'a'.count('a')\n",
    "def f(m):\n    m.a.inplace = True\n",
    "ON = True\nlayer = nn.ReLU(inplace=ON)\n",
    "ON = True\nlayer = nn.ReLU(ON)\n",
    "def f(x: torch.Tensor, on=True):\n    return F.relu(x, on)\n",
)


def whole(text: str) -> tuple[Found, ...]:
    """The sites that the file has if it is read to its end."""
    return sites.build(reader.read(Text(text), ast.parse(text)))


def passed_over(text: str) -> bool:
    """True if nothing but the syntax is looked at."""
    return not candidates.may_hold_sites(ast.parse(text))


def calls(writer: catalogue.Writer) -> str:
    """Code that writes a tensor by this row of the catalogue."""
    name = writer.name.partition("(")[0]
    if name.startswith("Tensor."):
        attr = name.removeprefix("Tensor.")
        return f"def f(x: torch.Tensor, y: torch.Tensor):\n    x.{attr}(y)\n    x.{attr} = y\n"
    word = "inplace=True" if "(inplace" in writer.name else "out=x" if "(out" in writer.name else ""
    before = ", ".join(["y"] * (writer.target_position or 0) + ["x", *([word] if word else [])])
    flag = writer.flag_position
    placed = f"    {name}({', '.join(['x'] * flag + ['True'])})\n" if flag is not None else ""
    return f"def f(x: torch.Tensor, y: torch.Tensor):\n    {name}({before})\n{placed}"


@pytest.mark.parametrize("text", PASSED_OVER)
def test_common_files_without_sites_are_passed_over(text: str):
    assert passed_over(HEAD + text)
    assert whole(HEAD + text) == ()


@pytest.mark.parametrize("text", READ)
def test_what_may_write_by_another_name_or_in_another_place_is_read(text: str):
    assert not passed_over(HEAD + text)


def test_what_torch_takes_no_sum_of_is_no_site_in_a_file_that_is_read_either():
    text = HEAD + "def f(x: torch.Tensor):\n    x += {}\n    return x\n"
    for operand in ("'a'", "f'{1}'", "(1, 2)", "[1, 2]", "[n for n in (1, 2)]", "{1: 2}", "{1}"):
        assert whole(text.format(operand)) == (), operand


def test_no_row_of_the_catalogue_is_passed_over_where_it_makes_a_site():
    texts = [f"import torch\n{calls(writer)}" for writer in catalogue.writers()]
    lost = [text for text in texts if passed_over(text) and whole(text)]
    assert lost == []
    assert sum(not passed_over(text) for text in texts) > 500


def test_no_program_of_the_corpus_with_a_site_is_passed_over():
    texts = [path.read_text(encoding="utf-8") for path in sorted(CORPUS.rglob("*.py"))]
    over = [text for text in texts if passed_over(text)]
    assert len(texts) > 100
    assert [text for text in over if whole(text)] == []
