"""Functions that code may find by a text, parts that it cannot, and constructors that a decorator wraps."""

from __future__ import annotations

import pytest
from rewriting import brought_together, fixes

HELPED = (
    "import sys\nme = sys.modules[__name__]\ndef _helper(x):\n    x += 1\n    return x\n"
    "def f(w):\n    h = torch.exp(w)\n    return _helper(h)\n"
    "def g(w, name):\n    h = torch.exp(w)\n    kept = h\n    return {}(h) + kept\n"
)
FINDS = [
    "getattr(me, name)", "globals()[name]", "locals()[name]", "vars()[name]", "eval(name)", "me.__dict__[name]",
    "getattr(sys.modules[__name__], name)",
]  # fmt: skip


@pytest.mark.parametrize("finds", FINDS)
def test_who_is_found_by_a_text_has_callers_that_nobody_sees(finds: str) -> None:
    assert not any(fix.safe for fix in fixes(HELPED.format(finds)))


def test_who_is_called_by_name_alone_has_none() -> None:
    (fix,) = fixes(HELPED.format("torch.neg"))
    assert fix.safe, fix.doubts


NET = (
    "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.conv = nn.Conv2d(3, 3, 1)\n"
    "        self.act = nn.ReLU(inplace=True)\n    def forward(self, x):\n        return self.act(self.conv(x))\n"
)
HEADER = "import sys, importlib\n_module = sys.modules[__name__]\nresnets = _module\nimport vgg\n"
ELSEWHERE = {
    "an import": "def make(name):\n    return getattr(vgg, name)()\n",
    "what is imported by a text": "def make(path, name):\n    found = importlib.import_module(path)\n    return getattr(found, name)()\n",
    "the file's own name": "def make(name):\n    return getattr(resnets, name)()\n",
}  # fmt: skip
HERE = {
    "what the file has made for all": "ACT = nn.ReLU(inplace=True)\ndef make(name, h):\n    return getattr(resnets, name)(h), h\n",
    "a parameter": "def make(net, name):\n    return getattr(net, name)(torch.ones(1))\n",
    "a parameter with the file's name": "def make(resnets, name):\n    return getattr(resnets, name)(torch.ones(1))\n",
    "an instance": "def make(name):\n    found = Net()\n    return getattr(found, name)(torch.ones(1))\n",
    "one of two": "def make(path, name, net):\n    found = importlib.import_module(path) if path else net\n    return getattr(found, name)(net)\n",
    "a name that is bound twice": "def make(path, name, net):\n    found = importlib.import_module(path)\n    found = net\n    return getattr(found, name)(net)\n",
}  # fmt: skip


@pytest.mark.parametrize("more", ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_what_is_looked_up_in_a_module_is_no_part_of_a_network(more: str) -> None:
    (fix,) = fixes(HEADER + NET + more)
    assert fix.safe, fix.doubts


@pytest.mark.parametrize("more", HERE.values(), ids=HERE.keys())
def test_what_is_looked_up_in_an_object_may_be(more: str) -> None:
    assert not any(fix.safe for fix in fixes(brought_together(HEADER + NET + more)))


REVIEWED = (
    "import inspect\ndef reviewed(text=''):\n    def mark(cls, name=None):\n        if inspect.isclass(cls):\n"
    "            cls.__init__ = mark(cls.__init__, name=cls.__name__)\n            return cls\n"
    "        @functools.wraps(cls)\n        def wrapper(*args, **kwargs):\n            print(name)\n"
    "            return cls(*args, **kwargs)\n        return wrapper\n    return mark\n@reviewed()\n" + NET
)
OTHERWISE = {
    "other arguments": REVIEWED.replace("return cls(*args, **kwargs)", "return cls(*args[:1])"),
    "another function": REVIEWED.replace("return cls(*args, **kwargs)", "return print(*args, **kwargs)"),
    "nothing": REVIEWED.replace("            return cls(*args, **kwargs)\n", ""),
    "arguments that are bound anew": REVIEWED.replace("print(name)", "kwargs = {}"),
    "a function that is bound anew": REVIEWED.replace("print(name)", "cls = print"),
    "another constructor": REVIEWED.replace("mark(cls.__init__, name", "mark(Other.__init__, name"),
    "another class": REVIEWED.replace("            return cls\n", "            return Other\n"),
    "what another function returns": REVIEWED.replace("        return wrapper\n", "        return Other\n"),
}


def test_a_constructor_that_is_only_wrapped_is_the_same() -> None:
    (fix,) = fixes(REVIEWED)
    assert fix.safe, fix.doubts


@pytest.mark.parametrize("code", OTHERWISE.values(), ids=OTHERWISE.keys())
def test_a_constructor_that_does_something_else_is_not(code: str) -> None:
    assert "class Other" not in code
    assert not any(
        fix.safe for fix in fixes(code.replace("import inspect\n", "import inspect\nclass Other:\n    pass\n"))
    )
