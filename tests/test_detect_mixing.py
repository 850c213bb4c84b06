"""Dtypes: where the out-of-place form would be wider than the target, and where a file that names dtypes mixes none.

Each program that must not be called safe is run: its plain rewrite gives another dtype.
"""

from __future__ import annotations

import pytest
import torch
from rewriting import fixes

HEAD = "import numpy as np\n"
W = "    w = torch.ones(3, requires_grad=True)\n    h = w * 2\n"

MIXED = {
    "array": "h += torch.from_numpy(np.ones(3))",
    "array as a tensor": "h += torch.tensor(np.ones(3))",
    "array in a list": "h += torch.tensor([np.float64(1), np.float64(2), np.float64(3)]).double()",
    "array through a function": "h += load()",
    "array through a name": "a = np.ones(3)\nt = torch.as_tensor(a)\nt = t * 2\nh += t",
    "array as an argument": "h += twice(torch.from_numpy(np.ones(3)))",
    "array in a global": "h += TABLE",
    "array in a list of tensors": "ts = [torch.from_numpy(np.ones(3))]\nfor t in ts:\n    h += t",
    "conversion": "h += torch.ones(3).double()",
    "conversion by to": "h += torch.ones(3).to(torch.float64)",
    "conversion by type": "h += torch.ones(3).type(torch.float64)",
    "conversion to another's": "d = torch.ones(3, dtype=torch.float64)\nh += torch.ones(3).to(d)",
    "conversion to another's dtype": "d = torch.ones(3, dtype=torch.float64)\nh += torch.ones(3).to(d.dtype)",
    "dtype by keyword": "h += torch.ones(3, dtype=torch.float64)",
    "dtype by position": "h += w.softmax(0, torch.float64)",
    "dtype in a name": "kind = torch.float64\nh += torch.ones(3, dtype=kind)",
    "dtype in a name, by position": "some_dtype = torch.float64\nh += w.softmax(0, some_dtype)",
    "dtype in a bundle": "h += torch.ones(3, **{'dtype': torch.float64})",
    "module converted": "net = nn.Linear(3, 3).double()\nh += net(torch.ones(3, dtype=torch.float64))",
    "module converted by to": "net = nn.Linear(3, 3).to(torch.float64)\nh += net(torch.ones(3).double())",
    "module converted as a whole": "net = Scaled()\nnet.double()\nh += net.run()",
    "parameter from an array": "p = nn.Parameter(torch.from_numpy(np.ones(3)))\nh += p",
    "buffer from an array": "h += Net().scale()",
    "half target": "g = w.half()\ng += w\nh = g",
    "half target by a module": "g = nn.Linear(3, 3).half()(torch.ones(3).half())\ng += w\nh = g",
    "half target by to": "g = w.to(torch.bfloat16)\ng += torch.ones(3)\nh = g",
    "complex": "h = torch.complex(w, w)\nh += torch.ones(3, dtype=torch.complex128)",
    "float_power": "h += w.float_power(2)",
    "mean of doubles": "h += torch.ones(4, 3).mean(0, dtype=torch.float64)",
    "linspace of doubles": "h += torch.linspace(0, 1, 3, dtype=torch.double)",
    "new tensor": "h += torch.ones(3).double().new_ones(3)",
    "like": "h += torch.zeros_like(torch.ones(3, dtype=torch.float64))",
    "stacked": "h += torch.stack([torch.ones(3).double(), w])[0]",
}
AFTER = """
def load():
    return torch.from_numpy(np.ones(3))
def twice(t):
    return t * 2
TABLE = torch.from_numpy(np.ones(3))
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("s", torch.from_numpy(np.ones(3)))
    def scale(self):
        return self.s * 2
class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(3, 3)
        self.register_buffer("x", torch.ones(3))
    def run(self):
        return self.fc(self.x)
"""


def program(body: str) -> str:
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    return f"{HEAD}def main():\n{W}{lines}    return h\n{AFTER}"


@pytest.mark.parametrize("body", MIXED.values(), ids=MIXED.keys())
def test_a_wider_operand_is_not_safe(body: str) -> None:
    assert not any(fix.safe for fix in fixes(program(body)))


@pytest.mark.parametrize("body", MIXED.values(), ids=MIXED.keys())
def test_the_plain_form_of_these_has_another_dtype(body: str) -> None:
    results = []
    for text in (program(body), program(body.replace("h += ", "h = h + ").replace("g += ", "g = g + "))):
        space: dict[str, object] = {}
        exec(compile("import torch\nfrom torch import nn\n" + text, "<case>", "exec"), space)
        results.append(space["main"]())  # type: ignore[operator]
    before, after = results
    assert isinstance(before, torch.Tensor) and before.dtype != after.dtype


UNMIXED = {
    "imported only": "h += w * 3",
    "arrays elsewhere": "h += nn.Linear(3, 3)(w)",
    "numbers": "h += 0.5 * float(np.pi)",
    "default factories": "h += torch.zeros(3) + torch.rand(3)",
    "integers": "h += torch.arange(3, dtype=torch.int64)",
    "half as a name": "half = 3 // 2\nh += w[:1] * half",
    "the other's dtype": "h += torch.zeros(3, dtype=w.dtype)",
    "a double that stays apart": "d = torch.ones(3, dtype=torch.float64)\nh += w",
    "literals": "h += torch.tensor([1.0, 2.0, 3.0])",
}


@pytest.mark.parametrize("body", UNMIXED.values(), ids=UNMIXED.keys())
def test_a_file_that_names_dtypes_may_mix_none(body: str) -> None:
    found = fixes(program(body))
    assert found and all(fix.safe for fix in found), [fix.doubts for fix in found]


@pytest.mark.parametrize(
    ("parameter", "named"), [("offset=0", True), ("offset: float = 0", False), ("*, offset=1.5", True)]
)
def test_a_parameter_that_is_a_number_by_default_may_be_of_any_dtype(parameter: str, named: bool) -> None:
    text = f"import torch\n\n\ndef shifted(x, {parameter}):\n    h = torch.tanh(x)\n    h += offset\n    return h\n"
    (fix,) = fixes(text)
    assert ("one dtype" in fix.assumes) is named
