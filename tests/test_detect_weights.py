"""Weights and parts that are got, set and hooked by their names, and parts of networks that other files make."""

from __future__ import annotations

import pytest
from test_detect_large_files import safe

WEIGHTS = """\
class Norm(nn.Module):
    def __init__(self, module, name):
        super().__init__()
        self.module, self.name = module, name

    def update(self):
        {code}

    def forward(self, *args):
        self.update()
        return self.module.forward(*args)
"""

COMPUTED = {
    "a quotient": "w = getattr(self.module, self.name + '_bar')\n        setattr(self.module, self.name, w / w.norm())",
    "a parameter": "setattr(self.module, self.name, nn.Parameter(self.module.raw.data))",
    "one of two": "raw = getattr(self.module, self.name)\n        w = None\n        if self.training:\n"
    "            w = F.dropout(raw)\n        else:\n            w = raw.expand_as(raw) * raw\n"
    "        setattr(self.module, self.name, w)",
    "what a method computes": "setattr(self.module, self.name, self.scaled())\n"
    "    def scaled(self):\n        return self.module.raw.data * 2.0",
    "a weight that is taken out": "w = getattr(self.module, self.name)\n"
    "        del self.module._parameters[self.name]\n        return w.data.clone()",
    "an attribute of a part": "return getattr(self.module, self.name).in_features",
    "a written name": "setattr(self.module, 'width', self.name)",
}


@pytest.mark.parametrize("code", COMPUTED.values(), ids=COMPUTED.keys())
def test_what_is_computed_by_name_is_no_part(code: str) -> None:
    assert safe(WEIGHTS.format(code=code))


PARTS = {
    "called": "w = getattr(self.module, self.name)\n        return w(1)",
    "what may be an argument": "pass\n    def put(self, w, on):\n        if on:\n            w = w / 2\n"
    "        setattr(self.module, self.name, w)",
    "kept under a name of all": "global kept\n        kept = getattr(self.module, self.name)",
    "called by a function within": "w = getattr(self.module, self.name)\n        return lambda x: w(x)",
    "kept": "w = getattr(self.module, self.name)\n        self.kept = w",
    "its own method": "w = getattr(self.module, self.name)\n        return w.view(1)\n    def view(self, x):\n        return x",
    "a sequence, repeated": "setattr(self.module, self.name, nn.Sequential(nn.Identity()) * 3)",
    "a part by its written name": "setattr(self.module, 'fc', nn.Identity())",
    "what a method makes": "setattr(self.module, self.name, self.made())\n    def made(self):\n        return nn.Identity()",
}


@pytest.mark.parametrize("code", PARTS.values(), ids=PARTS.keys())
def test_a_part_by_name_leaves_it_to_a_run(code: str) -> None:
    assert not safe(WEIGHTS.format(code=code) + "def both():\n    return Norm(Net(), 'weight')\n")


HOOKED = """\
class Scale:
    def __init__(self, name):
        self.name = name
{method}

def scaled(module, name):
    fn = Scale(name)
    module.register_forward_pre_hook(fn)
    return module
"""
BLIND = "    def __call__(self, module, inputs):\n        setattr(module, self.name, module.raw * 2.0)\n"
SEEING = {
    "reads what it is called with": "    def __call__(self, module, inputs):\n        self.kept = inputs\n",
    "gives something else": "    def __call__(self, module, inputs):\n        return self.kept\n",
    "reads keywords": "    def __call__(self, module, inputs, given=None):\n        self.kept = given\n",
    "takes more": "    def __call__(self, module, inputs, *more):\n        self.kept = more\n",
    "has no method of its own": "    pass\n",
}


def test_a_hook_that_makes_a_weight_keeps_no_input() -> None:
    assert safe(HOOKED.format(method=BLIND))


@pytest.mark.parametrize("method", SEEING.values(), ids=SEEING.keys())
def test_another_hook_may_keep_what_a_module_is_called_with(method: str) -> None:
    assert not safe(HOOKED.format(method=method) + "def both():\n    return scaled(Net(), 'w')\n")


ELSEWHERE = """\
class Loss(nn.Module):
    def __init__(self, net):
        super().__init__()
        {made}

    def forward(self, x):
        {code}


def both():
    return Loss(Net())
"""
WALK = "for part in {}.children():\n            x = part(x)\n        return x"
OTHERS = {
    "a call": ("self.vgg = models.vgg16(pretrained=True).features", WALK.format("self.vgg")),
    "a name": ("vgg = models.vgg16(pretrained=True)\n        self.vgg = nn.Sequential(*list(vgg.children())[:3])", "return x"),
    "one of two": ("if x:\n            vgg = models.vgg16()\n        else:\n            vgg = models.vgg19()\n"
                   "        self.vgg = vgg.features.eval()", WALK.format("self.vgg")),
    "by a table": ("self.vgg = models.__dict__['vgg16'](pretrained=True)", "return self.vgg._modules['relu'](x)"),
    "a part, by its name": ("self.vgg = models.resnet18()", "return self.vgg.relu(x)"),
    "a part that is replaced": ("self.vgg = models.vgg16().features\n        self.vgg._modules['0'] = nn.Identity()", "return x"),
}  # fmt: skip
OURS = {
    "what is handed in": ("self.vgg = net", WALK.format("self.vgg")),
    "made of what is handed in": ("self.vgg = make(net)", WALK.format("self.vgg")),
    "made of an own part": ("self.own = net\n        self.vgg = nn.DataParallel(self.own)", WALK.format("self.vgg.module")),
    "a copy": ("import copy\n        self.own = net\n        self.vgg = copy.deepcopy(self.own)", WALK.format("self.vgg")),
    "one of two": ("self.vgg = models.vgg16() if net is None else net", WALK.format("self.vgg")),
    "a file": ("self.vgg = torch.load('net.pt')", WALK.format("self.vgg")),
    "a file's part": ("self.vgg = torch.load('net.pt')", "return self.vgg.relu(x)"),
    "another method sets it": ("self.vgg = models.vgg16()\n    def put(self, net):\n        self.vgg = net",
                               WALK.format("self.vgg")),
}  # fmt: skip


@pytest.mark.parametrize(("made", "code"), OTHERS.values(), ids=OTHERS.keys())
def test_parts_of_what_a_library_makes_are_none_of_the_file(made: str, code: str) -> None:
    assert safe(ELSEWHERE.format(made=made, code=code))


@pytest.mark.parametrize(("made", "code"), OURS.values(), ids=OURS.keys())
def test_parts_of_what_may_be_the_files_own_are_called(made: str, code: str) -> None:
    assert not safe(ELSEWHERE.format(made=made, code=code))


HEIRS = {
    "an heir": ("class Heir(Loss):", ""),
    "under another name": ("Parent = Loss\n\n\nclass Heir(Parent):", ""),
    "by a table": ("class Heir({'a': Loss}['a']):", ""),
    "beside it": ("class Heir:", "\n\nclass Both(Loss, Heir):\n    pass\n"),
}


@pytest.mark.parametrize(("heir", "after"), HEIRS.values(), ids=HEIRS.keys())
def test_who_may_be_the_same_object_may_bind_something_else(heir: str, after: str) -> None:
    code = ELSEWHERE.format(made=OTHERS["a call"][0], code=OTHERS["a call"][1])
    put = "\n    def put(self, net):\n        self.vgg = net\n"
    assert not safe(f"{code}\n\n{heir}{put}{after}")
    assert safe(f"{code}\n\nclass Stranger:{put}")
