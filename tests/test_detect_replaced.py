"""What makes a name mean something else out of sight: torch is patched, a namespace written, a class made anew."""

from __future__ import annotations

import pytest
from rewriting import fixes

HEAD = "import sys\nimport torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n\n\n"
SAME = "def same(x, *rest):\n    return x\n\n\n"
EXP = "\n\ndef run(h):\n    y = torch.exp(h)\n    y += 1\n    return y\n"
MAIN = "\n\ndef main():\n    x = torch.randn(3, requires_grad=True)\n    y = run(x * 1.0)\n    y.sum().backward()\n\n\nmain()\n"
METHOD = EXP.replace("torch.exp(h)", "h.exp()") + MAIN
OWN = "def g(x):\n    return torch.exp(x)\n\n\n"
CALLS = EXP.replace("torch.exp", "g")
NET = """\
class N(nn.Module):
    def forward(self, x):
        y = self.g(x)
        y += 1
        return y

    def g(self, x):
        return torch.exp(x)
"""
PART = """\
class N(nn.Module):
    def __init__(self):
        super().__init__()
        self.g = nn.Linear(3, 3)

    def forward(self, x):
        y = self.g(x)
        y += 1
        return y
"""
LAYER = "\n\nclass N(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.s = nn.Sequential(A(), nn.ReLU(inplace=True))\n\n    def forward(self, x):\n        return self.s(x)\n"
MAKE = "def make(c):\n    class W(c):\n        g = same\n    return W\n\n\n"
EXPLICIT = "class N({base}):\n    def forward(self, x):\n        y = {call}\n        y += 1\n        return y\n"
BASE = "class A(nn.Module):\n    def g(self, x):\n        return torch.exp(x)\n\n\n"

# Each is what a file does beside `y = torch.exp(h); y += 1`.
TORCH = {
    "by setattr": "setattr(torch, 'exp', same)",
    "by its own setattr": "torch.__setattr__('exp', same)",
    "by a partial setattr": "import functools\nfunctools.partial(setattr, torch)('exp', same)",
    "by another name of setattr": "put = setattr\nput(torch, 'exp', same)",
    "in a comprehension": "[setattr(m, 'exp', same) for m in [torch]]",
    "in a function": "def patch(m):\n    m.exp = same\npatch(torch)",
    "in a function, by keyword": "def patch(m=None):\n    m.exp = same\npatch(m=torch)",
    "in a function, by default": "def patch(m=torch):\n    m.exp = same\npatch()",
    "in a function, starred": "def patch(*ms):\n    for m in ms:\n        m.exp = same\npatch(nn, torch)",
    "in a function, in a dict": "def patch(**k):\n    k['m'].exp = same\npatch(m=torch)",
    "in a function of a function": "def patch(m):\n    def go():\n        m.exp = same\n    go()\npatch(torch)",
    "in a function that is passed on": "def patch(m):\n    m.exp = same\nlist(map(patch, [torch]))",
    "in a function of a table": "def patch(m):\n    m.exp = same\nT = {'p': patch}\nT['p'](torch)",
    "in a function that another calls": "def patch(m):\n    m.exp = same\ndef apply(fn, m):\n    fn(m)\napply(patch, torch)",
    "in a lambda": "patch = lambda m: setattr(m, 'exp', same)\npatch(torch)",
    "in a method": "class P:\n    def patch(self, m):\n        m.exp = same\nP().patch(torch)",
    "in a constructor": "class P:\n    def __init__(self, m):\n        m.exp = same\nP(torch)",
    "in what a decorator returns": "def on(m):\n    def put(fn):\n        m.exp = fn\n        return fn\n    return put\n@on(torch)\ndef other(x):\n    return x",
    "one of two": "(torch if True else nn).exp = same",
    "in a loop": "for m in (torch, nn):\n    m.exp = same",
    "from a list": "L = []\nL.append(torch)\nL[0].exp = same",
    "from a dict": "D = dict(t=torch)\nD['t'].exp = same",
    "from a namespace": "import types\nns = types.SimpleNamespace(t=torch)\nns.t.exp = same",
    "from an attribute of a class": "class K:\n    t = torch\nK.t.exp = same",
    "from a property": "class K:\n    @property\n    def t(self):\n        return torch\nK().t.exp = same",
    "from a function that hands on": "def find(m):\n    return m\nm = find(torch)\nm.exp = same",
    "from a generator": "def find():\n    yield torch\nnext(find()).exp = same",
    "from a pattern": "match [torch]:\n    case [m]:\n        m.exp = same",
    "from a name of another scope": "m = None\ndef find():\n    global m\n    m = torch\nfind()\nm.exp = same",
    "by getattr": "getattr(torch, '__dict__')['exp'] = same",
    "from the table of modules": "sys.modules['torch'].exp = same",
    "from the table, by its name": "import operator\nsys.modules[operator.attrgetter('autograd')(torch).__name__.split('.')[0]].exp = same",
    "from the table, in a loop": "for k, m in list(sys.modules.items()):\n    if k == 'torch':\n        m.exp = same",
    "by importlib": "import importlib\nimportlib.import_module('torch').exp = same",
    "by importlib, under another name": "from importlib import import_module as find\nm = find('torch')\nm.exp = same",
    "by __import__": "__import__('torch').exp = same",
    "through a module that has it": "setattr(F.torch, 'exp', same)",
}  # fmt: skip
# The same beside `y = h.exp(); y += 1`.
TENSOR = {
    "by setattr": "setattr(torch.Tensor, 'exp', same)",
    "one of two": "setattr(torch.Tensor if 1 else nn, 'exp', same)",
    "by type": "type(torch.ones(1)).exp = same",
    "by type, under a name": "C = type(torch.ones(1))\nC.exp = same",
    "by type, in a dict": "D = {'c': type(torch.ones(1))}\nD['c'].exp = same",
    "by __class__": "torch.ones(1).__class__.exp = same",
    "by a subclass": "nn.Parameter.__mro__[1].exp = same",
    "by subclasses": "for c in torch._C.TensorBase.__subclasses__():\n    c.exp = same",
    "by getattr": "C = getattr(torch, 'Tensor')\nC.exp = same",
    "in a loop": "for c in (torch.Tensor, nn.Parameter):\n    c.exp = same",
    "in a function": "def patch(c):\n    c.exp = same\npatch(torch.Tensor)",
    "in a function, by type": "def patch(c):\n    c.exp = same\npatch(type(torch.ones(1)))",
    "in a function of an instance": "def patch(x):\n    type(x).exp = same\npatch(torch.ones(1))",
}  # fmt: skip
# The same beside `y = g(h); y += 1` with `g` of the file.
NAMES = {
    "under a name": "G = globals()\nG['g'] = same",
    "in one go": "G = globals()\nG |= dict(g=same)",
    "by an operator": "import operator\noperator.setitem(globals(), 'g', same)",
    "by a function": "def put(names):\n    names['g'] = same\nput(globals())",
    "by another name of globals": "find = globals\nfind()['g'] = same",
    "by vars": "vars()['g'] = same",
    "by locals": "locals().update(g=same)",
    "by another name of locals": "find = locals\nfind()['g'] = same",
    "of a function": "g.__globals__['g'] = same",
    "of a function, by getattr": "getattr(g, '__globals__')['g'] = same",
    "by the table of modules": "sys.modules[__name__].g = same",
    "by a name of the module": "me = sys.modules[__name__]\nme.g = same",
    "by __import__": "__import__(__name__).g = same",
    "of a frame": "sys._getframe().f_globals['g'] = same",
}  # fmt: skip
# Classes that derive from `N`, of which `forward` calls `self.g`.
CLASSES = {
    "by type": "M = type('M', (N,), {'g': same})",
    "by type, with keywords": "M = type('M', (N,), dict(g=same))",
    "by type, with names": "bases, own = (N,), {'g': same}\nM = type(N)('M', bases, own)",
    "by a partial type": "import functools\nM = functools.partial(type, 'M')((N,), {'g': same})",
    "by another metaclass": "from abc import ABCMeta\nM = ABCMeta('M', (N,), {'g': same})",
    "by new_class": "import types\nM = types.new_class('M', (N,), {}, lambda names: names.update(g=same))",
    "by make_dataclass": "import dataclasses\nM = dataclasses.make_dataclass('M', [], bases=(N,), namespace={'g': same})",
    "a class for a method": "class M(N):\n    class g:\n        def __new__(cls, x):\n            return x",
    "a method in a branch": "class M(N):\n    if True:\n        def g(self, x):\n            return x",
    "locals": "class M(N):\n    locals().update(g=same)",
    "vars": "class M(N):\n    vars()['g'] = same",
    "a frame": "class M(N):\n    sys._getframe().f_locals['g'] = same",
    "a decorator with a class of its own": "def deco(c):\n    class W(c):\n        g = same\n    return W\n@deco\nclass M(N):\n    pass",
    "a decorator that rebinds": MAKE + "def deco(c):\n    c = make(c)\n    return c\n@deco\nclass M(N):\n    pass",
    "a decorator with a default": MAKE + "def deco(c, other=make(N)):\n    return other\n@deco\nclass M(N):\n    pass",
    "a decorator that a function makes": MAKE + "def deco(name):\n    def put(c):\n        return make(c)\n    return put\n@deco('m')\nclass M(N):\n    pass",
    "a decorator that is a method": MAKE + "class R:\n    def put(self, c):\n        return make(c)\nr = R()\n@r.put\nclass M(N):\n    pass",
    "a decorator that is an object": MAKE + "class R:\n    def __call__(self, c):\n        return make(c)\nr = R()\n@r\nclass M(N):\n    pass",
    "a decorator that is a lambda": MAKE + "@lambda c: make(c)\nclass M(N):\n    pass",
    "a decorator that is a class": MAKE + "class R:\n    def __new__(cls, c):\n        return make(c)\n@R\nclass M(N):\n    pass",
    "a metaclass": "class Meta(type):\n    def __new__(m, name, bases, own):\n        own['g'] = same\n        return super().__new__(m, name, bases, own)\nclass M(N, metaclass=Meta):\n    pass",
    "a metaclass that is a function": "def meta(name, bases, own):\n    own['g'] = same\n    return type(name, bases, own)\nclass M(N, metaclass=meta):\n    pass",
    "other bases": "class X(nn.Module):\n    g = same\nclass M(N):\n    pass\nM.__bases__ = (X, N)",
    "__getattribute__": "class M(N):\n    def __getattribute__(self, k):\n        return (lambda x: x) if k == 'g' else super().__getattribute__(k)",
    "__getattribute__ from outside": "class M(N):\n    pass\nM.__getattribute__ = lambda self, k: (lambda x: x) if k == 'g' else N.__getattribute__(self, k)",
}  # fmt: skip
# What stands in the body of `N` itself, behind the method `g`.
BODIES = {
    "a method in a branch": "    if True:\n        def g(self, x):\n            return x\n",
    "a class": "    class g:\n        def __new__(cls, x):\n            return x\n",
    "locals": "    locals()['g'] = lambda self, x: x\n",
    "vars": "    vars()['g'] = lambda self, x: x\n",
}
OTHERS = {
    "a method that a class binds again, of the class": HEAD + BASE + SAME + "class B(A):\n    g = same\n\n\n" + EXPLICIT.format(base="B", call="B.g(self, x)"),
    "a method that a class binds again, by super": HEAD + BASE + SAME + "class B(A):\n    g = same\n\n\n" + EXPLICIT.format(base="B", call="super().g(x)"),
    "a part behind a `__getattr__`": HEAD + PART + "    def __getattr__(self, k):\n        return (lambda x: x) if k == 'g' else super().__getattr__(k)\n",
    "a method that is deleted": HEAD + "class A(nn.Module):\n    def g(self, x):\n        return x\n\n\n" + NET.replace("nn.Module", "A") + "\n\ndel N.g\n",
    "a class for a part": HEAD + PART + "\n\nclass M(N):\n    class g:\n        def __new__(cls, x):\n            return x\n",
    "a forward in a branch": HEAD + "class A(nn.Module):\n    def forward(self, x):\n        return torch.exp(x)\n    if True:\n        def forward(self, x):\n            return x\n" + LAYER,
    "layers of torch": HEAD + "class Same(nn.Module):\n    def __init__(self, *sizes):\n        super().__init__()\n    def forward(self, x):\n        return x\nsetattr(nn, 'Linear', Same)\n\n\n" + PART,
    "what layers of torch call": HEAD + SAME + "def patch(m):\n    m._call_impl = same\npatch(nn.Linear)\n\n\n" + PART,
}  # fmt: skip
ROUNDS = (
    "\n\ndef run(h):\n    zs = [torch.exp(h), h * 2]\n    for i, t in enumerate(zs):\n        t *= 2\n    return zs[0] * zs[1]\n"
    + MAIN
)
MINE = HEAD + "import builtins\n\n\ndef mine(l):\n    return [(0, l[0]), (0, l[0])]\n\n\n"
BUILTINS = {
    "an attribute": "builtins.enumerate = mine",
    "by setattr": "setattr(builtins, 'enumerate', mine)",
    "in a function": "def patch(m):\n    m.enumerate = mine\npatch(builtins)",
    "by their table": "__builtins__['enumerate'] = mine",
    "by a namespace": "mine.__globals__['__builtins__']['enumerate'] = mine",
    "by the table of modules": "sys.modules['builtins'].enumerate = mine",
}
LEFT = {
    **{f"torch {name}": HEAD + SAME + text + "\n" + EXP for name, text in TORCH.items()},
    **{f"tensors {name}": HEAD + SAME + text + "\n" + METHOD for name, text in TENSOR.items()},
    **{f"own names {name}": HEAD + SAME + OWN + text + "\n" + CALLS for name, text in NAMES.items()},
    **{f"a class: {name}": HEAD + SAME.replace("x,", "self, x,") + NET + "\n\n" + text + "\n" for name, text in CLASSES.items()},
    **{f"a body: {name}": HEAD + NET + text for name, text in BODIES.items()},
    **{f"builtins: {name}": MINE + text + ROUNDS for name, text in BUILTINS.items()},
    **OTHERS,
}  # fmt: skip

REGISTRY = "class Registry:\n    def __init__(self):\n        self.known = {}\n    def register(self, name=None, module=None):\n        if module is not None:\n            self.known[name] = module\n            return module\n        def put(cls):\n            self.known[name] = cls\n            return cls\n        return put\n\n\nMODELS = Registry()\n\n\n"
SAFE = {
    "nothing": HEAD + EXP,
    "nothing for methods": HEAD + METHOD,
    "nothing for functions": HEAD + OWN + CALLS,
    "nothing for a class": HEAD + NET,
    "nothing for a part": HEAD + PART,
    "nothing for a layer": HEAD + "class A(nn.Module):\n    def forward(self, x):\n        return torch.exp(x)\n" + LAYER,
    "nothing for rounds": MINE + ROUNDS,
    "nothing for super": HEAD + BASE + EXPLICIT.format(base="A", call="super().g(x)"),
    "nothing for a method of a class": HEAD + BASE + EXPLICIT.format(base="A", call="A.g(self, x)"),
    "settings of torch": HEAD + "def begin(args):\n    args.lr = 1\n    setattr(args, 'seed', 2)\n" + EXP,
    "isinstance": HEAD + "def ask(x: torch.Tensor, kinds=(int, float)) -> torch.Tensor:\n    return isinstance(x, torch.Tensor) or type(x) is kinds\n" + METHOD,
    "a type that is printed": HEAD + "def show(x):\n    print(type(x), x.__class__.__name__)\n    raise TypeError(f'{type(x)}')\n" + METHOD,
    "a type that is made again": HEAD + "def again(x):\n    other = type(x)(3)\n    return x.__class__(other)\n" + METHOD,
    "a class of one's own": HEAD + NET + "\n\nclass M(N):\n    made = 0\n\n    def __init__(self):\n        super().__init__()\n        self.__class__.made += 1\n        type(self).made += 1\n",
    "a function that is looked up": HEAD + "def pick(name):\n    return getattr(F, name), getattr(torch, name), hasattr(torch, 'compile')\n" + EXP,
    "a lookup in globals": HEAD + OWN + "def pick(name):\n    return globals()[name] if name in globals() else globals().get('g')\n" + CALLS,
    "globals that are listed": HEAD + OWN + "NAMES = sorted(name for name in globals() if not name.startswith('_'))\n" + CALLS,
    "locals of a function": HEAD + "def show(a, b):\n    return '%s %s' % (locals()['a'], vars())\n" + EXP,
    "a variable called vars": HEAD + "def show(vars):\n    return vars\n" + EXP,
    "a module that is read": HEAD + "me = sys.modules[__name__]\n\n\ndef pick():\n    return me.run\n" + EXP,
    "a module that is imported": HEAD + "import importlib\n\n\ndef pick(name):\n    found = importlib.import_module(name)\n    return found.Model\n" + EXP,
    "names of modules": HEAD + NET + "\n\ndef tell(net):\n    net.__doc__ = 'a net'\n    tell.__name__ = 'said'\n",
    "a registry": HEAD + REGISTRY + "@MODELS.register()\n" + NET,
    "a registry with a name": HEAD + REGISTRY + "@MODELS.register(name='n')\n" + NET,
    "a registry that is a function": HEAD + "KNOWN = {}\n\n\ndef register(cls):\n    KNOWN[cls.__name__] = cls\n    return cls\n\n\n@register\n" + NET,
    "a registry of other files": "from mmcv import MODELS\n" + HEAD + "@MODELS.register()\n" + NET,
    "a dataclass": HEAD + "from dataclasses import dataclass\n\n\n@dataclass\nclass Options:\n    size: int = 3\n\n\n" + NET,
    "an abstract class": HEAD + "from abc import ABCMeta\n\n\n" + NET.replace("(nn.Module)", "(nn.Module, metaclass=ABCMeta)"),
    "a class without bases that is made": HEAD + "K = type('K', (), {'size': 3})\n\n\n" + NET,
    "a class for settings": HEAD + NET + "\n    class Config:\n        size = 3\n",
    "a method that is defined twice": HEAD + NET.replace("    def g(", "    def g(self, x):\n        return x\n\n    def g("),
    "a property that is set": HEAD + NET + "\n    @property\n    def size(self):\n        return 3\n\n    @size.setter\n    def size(self, value):\n        self.k = value\n",
    "__getattr__ for what is missing": HEAD + PART + "\n    def __getattr__(self, name):\n        try:\n            return super().__getattr__(name)\n        except AttributeError:\n            return getattr(self.g, name)\n",
    "__getattr__ of a dict": HEAD + "class Options(dict):\n    def __getattr__(self, name):\n        return self[name]\n\n\n" + NET,
    "super().__setattr__": HEAD + "class Options:\n    def __init__(self):\n        super().__setattr__('size', 3)\n\n\n" + EXP,
    "layers by name": HEAD + PART.replace("self.g = nn.Linear(3, 3)", "setattr(self, 'k', nn.Linear(3, 3))\n        self.g = nn.Linear(3, 3)"),
    "layers whose classes are passed": HEAD + "def build(norm=nn.BatchNorm2d, kind=nn.Module):\n    one = norm(3)\n    one.eps = 1e-3\n    return one\n\n\nbuild(nn.LayerNorm)\n\n\n" + PART,
}  # fmt: skip


@pytest.mark.parametrize("text", SAFE.values(), ids=SAFE.keys())
def test_code_that_only_asks_is_no_doubt(text: str) -> None:
    found = fixes(text)
    assert found and all(fix.safe for fix in found), [fix.doubts for fix in found]


@pytest.mark.parametrize("text", LEFT.values(), ids=LEFT.keys())
def test_what_names_stand_for_is_in_doubt_where_something_may_replace_it(text: str) -> None:
    found = fixes(text)
    assert found and not any(fix.safe for fix in found), [fix.title for fix in found]
