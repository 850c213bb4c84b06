"""Words that leave the verdict to a run, and the same words where they mean something else."""

from __future__ import annotations

import pytest
from rewriting import brought_together, fixes

CODE = "def main():\n    w = torch.ones(3, requires_grad=True)\n    h = torch.exp(w)\n    h += 1\n    return h\n"

INNOCENT = {
    "an attribute called as another class's method": "class Other(nn.Module):\n    def bound(self, x):\n        return x\n"
    "    def forward(self, x):\n        return self.bound(x) + main()\nclass Net(nn.Module):\n    def __init__(self):\n"
    "        super().__init__()\n        self.bound = nn.Linear(3, 3)\n    def forward(self, x):\n"
    "        return self.bound(x) + main() + Other()(x)",
    "stride of a layer": "conv = nn.Conv2d(3, 3, 3, stride=2)\nprint(conv.stride)",
    "stride of a block": "class Block:\n    def __init__(self, stride=1):\n        self.stride = stride",
    "stride in a table": "CONFIG = {'stride': 2}\nprint(CONFIG['stride'])",
    "loading a checkpoint": "def load_checkpoint(path):\n    return torch.load(path)\nprint(load_checkpoint)",
    "a file of that name": "path = 'model.checkpoint'\ncheckpoint = torch.load\nprint(path, checkpoint)",
    "version of a package": "__version__ = '1.0'\nmodel_version = __version__",
    "version of a module": "class Net(nn.Module):\n    _version = 2\n    def v(self):\n        return self._version",
    "attributes by numbers": "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    "        for i in range(3):\n            setattr(self, 'layer%d' % i, nn.Linear(3, 3))",
    "modules by numbers": "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    "        for i in range(3):\n            self.add_module('layer{}'.format(i), nn.Linear(3, 3))",
    "parts of a Sequential": "net = nn.Sequential()\nnet.add_module('a', nn.Linear(3, 3))",
    "modules that are read": "class Net(nn.Module):\n    def names(self):\n        return list(self._modules.keys())",
    "options of a program": "def show(args):\n    for k, v in args.__dict__.items():\n        print(k, v)",
    "an import that may fail": "try:\n    import apex\nexcept:\n    apex = None",
    "a file that may be missing": "try:\n    n = int(open('n').read())\nexcept Exception:\n    n = 0",
    "patches of an image": "def embed(patch):\n    return patch\nprint(embed)",
    "a storage of rollouts": "class RolloutStorage:\n    pass\nstorage = RolloutStorage()",
    "attribute by its name": "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    "        self.fc = nn.Linear(3, 3)\n        setattr(self, 'f' + 'c', None)",
    "mocks": "from unittest.mock import MagicMock\nlog = MagicMock()",
    "a class of its own that checkpoints": "from torch.utils.checkpoint import checkpoint\nclass Net(nn.Module):\n"
    "    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(3, 3)\n"
    "    def forward(self, x):\n        return checkpoint(self.fc, x)",
    "initialisers of another file": "from lib import constant_init, kaiming_init\nclass Net(nn.Module):\n    def __init__(self):\n"
    "        super().__init__()\n        self.fc = nn.Linear(3, 3)\n        self.act = nn.ReLU(inplace=True)\n"
    "        self.norm = nn.LayerNorm(3)\n    def init_weights(self):\n        for m in self.modules():\n"
    "            if isinstance(m, nn.Linear):\n                kaiming_init(m)\n            if hasattr(m, 'norm'):\n"
    "                constant_init(m.norm, 0)\n    def forward(self, x):\n        return self.act(self.fc(x)) + main()",
    "a setting named like a switch": "class Net(nn.Module):\n    def __init__(self, inference_mode=False):\n        super().__init__()\n"
    "        self.inference_mode = inference_mode\n    def forward(self, x):\n        return main() if self.inference_mode else x\n"
    "def make():\n    return Net(inference_mode=True)",
    "a table of settings": "TABLE = {'net': {'inference_mode': False}}\nprint(TABLE['net'])",
    "a module of a registry": "from builder import MODELS\n@MODELS.register_module()\nclass Other(nn.Module):\n    def forward(self, x):\n        return x",
    "a hook of states": "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    "        self._register_load_state_dict_pre_hook(self._convert)\n    def _convert(self, *args):\n        pass\n"
    "    def forward(self, x):\n        return main()",
    "a property beside another class's": "class Net(nn.Module):\n    @property\n    def mean(self):\n        return main()\n"
    "    @mean.setter\n    def mean(self, value):\n        self.inner = value\n    def load(self, data):\n        self.mean = data.mean\n"
    "class Data:\n    @property\n    def mean(self):\n        return 1",
    "options that are set by name": "def load(args, d):\n    for k, v in d.items():\n        setattr(args, k, v)",
    "settings of the file's own": "class Config:\n    def __init__(self, **kw):\n        self.scale = 2\n        for k, v in kw.items():\n"
    "            setattr(self, k, v)\nprint(Config().scale)",
    "nothing, by any name": "class Net(nn.Module):\n    def forget(self, k):\n        setattr(self, k, None)",
    "a text, by any name": "def call(net, k):\n    setattr(net, k, 'net')",
    "whether there is a history": "def look(t):\n    return t.grad_fn is None and t.requires_grad",
    "autocast that is off": "from torch.amp import autocast\n@autocast('cuda', enabled=False)\ndef run(x):\n    with torch.cuda.amp.autocast(False):\n"
    "        return main() + x",
    "strides of its own": "def look():\n    return torch.ones(3).stride()",
    "a library that nobody uses": "import torch.fx",
    "mocked in a comment": "# suppress the mock, see the stride of settrace\nx = 1",
}  # fmt: skip


@pytest.mark.parametrize("more", INNOCENT.values(), ids=INNOCENT.keys())
def test_the_rest_of_a_file_leaves_it_safe(more: str) -> None:
    found = fixes(f"{CODE}\n{more}\n")
    assert found and all(fix.safe for fix in found), [fix.doubts for fix in found]


GUILTY = {
    "attribute by the method of all objects": "def put(m):\n    object.__setattr__(m, 'inplace', True)",
    "a method among properties": "class Settings:\n    @property\n    def run(self):\n        return 1\n    @run.setter\n"
    "    def run(self, value):\n        pass\nclass Net(nn.Module):\n    def run(self, x):\n        return x\n"
    "def put(some):\n    some.run = main\n    return main()",
    "a switch as a value": "def run(mode=torch.inference_mode):\n    with mode():\n        return main()",
    "a switch of the file's own": "from torch import *\ndef run():\n    no_grad().__enter__()\n    return main()",
    "a switch that is called": "class Net(nn.Module):\n    def run(self):\n        self.enable_grad(main)\n        return main()",
    "a module added by its other name": "def put(net, k, m):\n    net.register_module(k, m)",
    "what a registry gives to one of it": "from builder import MODELS\nold = main\n@MODELS.register_module()\ndef other():\n"
    "    return old()\ndef both(k):\n    with torch.autocast('cpu'):\n        return MODELS.build(k)",
    "a registry of one of two packages": "try:\n    from lib import MODELS\nexcept ImportError:\n    from more.registry import MODELS\n"
    "from lib import build\nold = main\n@MODELS.register_module()\ndef other():\n    return old()\ndef both(k):\n"
    "    with torch.autocast('cpu'):\n        return build(k)",
    "a registry that is a table": "from lib import MODELS\nold = main\ndef other():\n    return old()\nMODELS['a'] = other\n"
    "def both(k):\n    with torch.autocast('cpu'):\n        return MODELS.build(k)",
    "a registry of the same package": "from .registry import MODELS\nfrom lib.builder import build\nold = main\n"
    "@MODELS.register_module()\ndef other():\n    return old()\ndef both(k):\n    with torch.autocast('cpu'):\n        return build(k)",
    "what another module of a registry's package builds": "from lib.registry import MODELS\nfrom lib.builder import build\nold = main\n"
    "@MODELS.register_module()\ndef other():\n    return old()\ndef both(k):\n    with torch.autocast('cpu'):\n        return build(k)",
    "a registry under another name": "import lib\nREG = lib.MODELS\nold = main\n@lib.MODELS.register_module()\ndef other():\n"
    "    return old()\ndef both(k):\n    with torch.autocast('cpu'):\n        return REG.build(k)",
    "a registry by another name": "from lib import MODELS\nREG = MODELS\nold = main\n@REG.register_module()\ndef other():\n"
    "    return old()\ndef both(k):\n    with torch.autocast('cpu'):\n        return MODELS.build(k)",
    "a registry of the file's own": "from lib import MODELS\nold = main\ndef register(f):\n    MODELS['a'] = f\n    return f\n"
    "@register\ndef other():\n    return old()\ndef both(k):\n    with torch.autocast('cpu'):\n        return k()",
    "functions of another file that are given parts": "from lib import run_all\nclass Net(nn.Module):\n    def __init__(self):\n"
    "        super().__init__()\n        self.fc = nn.Linear(3, 3)\n        self.act = nn.ReLU(inplace=True)\n"
    "    def run(self):\n        for m in self.modules():\n            run_all(m)\n    def forward(self, x):\n"
    "        return self.act(self.fc(x))\ndef main():\n    return Net()(torch.ones(3))",
    "an initialiser of the file's own": "class Net(nn.Module):\n    def __init__(self):\n"
    "        super().__init__()\n        self.fc = nn.Linear(3, 3)\n        self.act = nn.ReLU(inplace=True)\n"
    "    def run(self, my_init):\n        for m in self.modules():\n            my_init(m)\n    def forward(self, x):\n"
    "        return self.act(self.fc(x))\ndef main():\n    return Net()(torch.ones(3))",
    "options that are called": "def load(args, d):\n    for k, v in d.items():\n        setattr(args, k, v)\n    return args(main())",
    "options that are a module": "class Net(nn.Module):\n    def forward(self, x):\n        return main() + x\ndef load(d):\n    args = Net()\n"
    "    for k, v in d.items():\n        setattr(args, k, v)",
    "settings with methods": "class Config:\n    def run(self):\n        return main()\n    def put(self, k, v):\n        setattr(self, k, v)",
    "settings of another class's kind": "import base\nclass Config(base.Config):\n    def __init__(self, k, v):\n        setattr(self, k, v)\n        main()",
    "a history's name": "def look(t):\n    return t.grad_fn.name() if t.grad_fn is not None else ''",
    "autocast that may be on": "def run(x, amp):\n    with torch.autocast('cuda', enabled=False):\n        x = main()\n"
    "    with torch.autocast('cuda', enabled=amp):\n        return main() + x",
    "autocast by another name": "from torch.amp import autocast as amp\ndef run(x):\n    with amp('cpu'):\n        return main() + x",
    "autocast by its text": "def run(x):\n    with getattr(torch, 'autocast')('cpu'):\n        return main() + x",
    "errors that a library ends": "def run(study):\n    study.optimize(main, catch=(RuntimeError,))",
    "autocast as a value": "def run(x, context=torch.autocast):\n    with torch.autocast('cuda', enabled=False):\n        return main() + x",
    "strides": "def look(t):\n    return t.stride()",
    "strides by name": "def look(t):\n    return getattr(t, 'stride')()",
    "place in a storage": "def look(t):\n    return t.storage_offset()",
    "attribute by a method": "def put(m):\n    m.__setattr__('inplace', True)",
    "attribute by the base's method": "class Net(nn.Module):\n    def __setattr__(self, k, v):\n"
    "        super().__setattr__(k, v)",
    "version counter": "def look(t):\n    return t._version",
    "attributes by any name": "def put(o, k, v):\n    setattr(o, k, v)",
    "method by its name": "class Net(nn.Module):\n    def run(self, x):\n        return x\n"
    "def put(net, f):\n    setattr(net, f'r{\"un\"}', f)",
    "modules by any name": "def put(net, k, m):\n    net.add_module(k, m)",
    "table of modules": "def put(net, m):\n    net._modules['fc'] = m",
    "table of attributes": "def put(o, d):\n    o.__dict__.update(d)",
    "errors of torch": "try:\n    main().sum().backward()\nexcept Exception:\n    pass",
    "errors of arithmetic": "try:\n    k = main() + 1\nexcept RuntimeError:\n    pass",
    "errors expected": "import pytest\ndef test():\n    with pytest.raises(RuntimeError):\n        main()",
    "errors suppressed": "from contextlib import suppress as quiet\ndef test():\n    with quiet(RuntimeError):\n        main()",
    "errors suppressed by a path": "import contextlib\ndef test():\n    with contextlib.suppress(RuntimeError):\n        main()",
    "functions replaced": "from unittest import mock\ndef test():\n    with mock.patch('torch.add'):\n        main()",
    "functions replaced by fixture": "def test(monkeypatch):\n    main()",
    "weak references": "from weakref import ref\nKEPT = ref(main)",
    "hooks of saved tensors": "def test():\n    with torch.autograd.graph.save_on_cpu():\n        return main()",
    "tensors of another class": "class T(torch.Tensor):\n    pass",
    "operations intercepted": "class T:\n    @classmethod\n    def __torch_function__(cls, f, t, a=(), k=None):\n        return f(*a)",
    "hooks": "def put(net, f):\n    net.register_forward_hook(f)",
    "hooks by name": "def put(net, f):\n    getattr(net, 'register_forward_hook')(f)",
    "table of hooks": "def put(net, f):\n    net._forward_hooks[0] = f",
    "default dtype": "torch.set_default_dtype(torch.float64)",
    "grad mode by name": "def off():\n    getattr(torch, 'set_grad_enabled')(False)",
    "grad mode by a call": "def off():\n    torch.set_grad_enabled(False)",
    "what a trainer is given": "class Trainer:\n    def __init__(self, net):\n        self.net = net\n"
    "    def step(self, x):\n        with torch.autocast('cpu'):\n            return self.net(x)",
    "what a loop goes over": "def run(nets, x):\n    for net in nets:\n        with torch.autocast('cpu'):\n"
    "            x = net(x)\n    return x",
    "what puts two together": "class Net(nn.Module):\n"
    "    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(3, 3)\n"
    "    def forward(self, x):\n        with torch.autocast('cpu'):\n            return self.fc(x)\ndef both():\n    return Net()(main())",
    "what the code calls": "def off():\n    return torch.ones(3).stride()\nold = main\ndef main():\n    w = torch.ones("
    "3, requires_grad=True)\n    h = w * off()[0]\n    h += 1\n    return h",
    "what a registry leads to": "ALL = {}\ndef register(f):\n"
    "    ALL[f.__name__] = f\n    return f\nregister(main)\nclass Net(nn.Module):\n    def __init__(self):\n"
    "        super().__init__()\n        self.fc = nn.Linear(3, 3)\n    def forward(self, x):\n"
    "        with torch.autocast('cpu'):\n            return ALL['main']() + self.fc(x)",
    "a part by the method of its class": "def turn(net):\n    nn.Sequential.__setitem__(net.body, 0, nn.Identity())",
    "another class": "def turn(net, cls):\n    net.lin.__class__ = cls",
    "variables": "def put(net, m):\n    vars(net)['fc'] = m",
    "a table among variables": "def put(net, m):\n    vars(net)['_mod' + 'ules']['fc'] = m",
    "state that is set": "def put(net, state):\n    net.__setstate__(state)",
    "hooks spelled out": "def put(net, kind, f):\n    getattr(net, f'register_{kind}_hook')(f)",
    "errors that a context ends": "class Quiet:\n    def __enter__(self):\n        pass\n"
    "    def __exit__(self, *what):\n        return True\ndef test():\n    with Quiet():\n        main()",
    "errors that a finally ends": "def test():\n    try:\n        main()\n    finally:\n        return 1",
    "errors in threads": "from threading import Thread\ndef test():\n    Thread(target=main).start()",
    "errors of a future": "def test(pool):\n    return pool.submit(main).exception()",
    "a default that runs": "def off():\n    torch.nn.modules.module.register_module_forward_hook(print)\n"
    "def unused(x=off()):\n    return x",
    "a decorated method": "def off(f):\n    torch.nn.modules.module.register_module_forward_hook(print)\n    return f\n"
    "class Unused:\n    @off\n    def run(self):\n        pass",
    "a class body": "def off():\n    torch.nn.modules.module.register_module_forward_hook(print)\nclass Unused:\n"
    "    state = [off()]",
    "a class that makes others": "ALL = []\nclass Plugin:\n    def __init_subclass__(cls):\n        ALL.append(cls)\n"
    "class Loud(Plugin):\n    def hook(self):\n        torch.nn.modules.module.register_module_forward_hook(print)",
    "names that are looked up": "from importlib import import_module as get\ndef off():\n"
    "    torch.nn.modules.module.register_module_forward_hook(print)\ndef other(n):\n    return get(n)",
    "a text that names it": "def off():\n    torch.nn.modules.module.register_module_forward_hook(print)\n"
    "def both(find):\n    find('program:off')()\n    return main()",
    "a key of a table": "def off():\n    torch.nn.modules.module.register_module_forward_hook(print)\n"
    "TABLE = {\n    20: None,\n    1: off,\n}\ndef both():\n    TABLE[1]()\n    return main()",
    "a guard of another kind": "def off():\n    torch.nn.modules.module.register_module_forward_hook(print)\n"
    "if __name__ != '__main__':\n    off()",
    "what is registered under no name": "ALL = []\n"
    "def register(f):\n    ALL.append(f)\n    return f\nregister(main)\nclass Net(nn.Module):\n"
    "    def __init__(self):\n        super().__init__()\n        self.fc = nn.Linear(3, 3)\n    def forward(self, x):\n"
    "        with torch.autocast('cpu'):\n            return ALL[0]() + self.fc(x)",
    "a guard for an import": "def off():\n    torch.nn.modules.module.register_module_forward_hook(print)\n"
    "if __name__ == 'program':\n    off()",
    "a table of the module": "def off():\n    torch.nn.modules.module.register_module_forward_hook(print)\n"
    "import sys\nTHIS = sys.modules[__name__]\ndef both(n):\n    THIS.__dict__[n]()\n    return main()",
    "a module that is handed on": "def off():\n    torch.nn.modules.module.register_module_forward_hook(print)\n"
    "import program\ndef both(find, n):\n    find(program, n)()\n    return main()",
    "a table that shifts": "def off():\n    torch.nn.modules.module.register_module_forward_hook(print)\n"
    "TABLE = [\n    None,\n    print,\n    off,\n]\ndef both():\n    del TABLE[0]\n    TABLE[1]()\n    return main()",
    "given to a library": "from tools import register\n@register('off')\ndef off():\n    torch.nn.modules.module.register_module_forward_hook(print)\n",
    "what calls it for a library": "from tools import kl, register\nold = main\n@register\ndef other():\n"
    "    return old()\ndef both():\n    with torch.autocast('cpu'):\n        return kl(torch.ones(3))",
    "put into another module": "def off():\n    torch.nn.modules.module.register_module_forward_hook(print)\n"
    "import tools\ndef put():\n    tools.off = off\ndef both():\n    tools.off()\n    return main()",
    "run by its name": "def setup_module():\n    torch.nn.modules.module.register_module_forward_hook(print)\n",
    "asked for by its name": "def off():\n    torch.nn.modules.module.register_module_forward_hook(print)\n"
    "def test(off):\n    assert main() is not None",
    "a method that an attribute replaces": "class Mix:\n    def run(self, x):\n        return x\nclass Net(nn.Module):\n"
    "    def __init__(self):\n        super().__init__()\n        self.run = main\nclass Both(Net, Mix):\n"
    "    def forward(self, x):\n        return self.run() + main()",
    "a method that an attribute of its base replaces": "class Base(nn.Module):\n    def run(self, x):\n        return x\n"
    "class Net(Base):\n    def __init__(self):\n        super().__init__()\n        self.run = main\n"
    "    def forward(self, x):\n        return main()",
    "a method that others replace": "class Net(nn.Module):\n    def run(self, x):\n        return x\n"
    "def put(net):\n    net.run = main\n    return net, main(), Net()",
    "text that is run": "def run(t):\n    exec(t)",
    "tracing": "import sys\nsys.settrace(print)",
}  # fmt: skip


@pytest.mark.parametrize("more", GUILTY.values(), ids=GUILTY.keys())
def test_what_changes_the_meaning_of_all_code_leaves_it_to_a_run(more: str) -> None:
    assert not any(fix.safe for fix in fixes(brought_together(f"{CODE}\n{more}\n")))


LASTING = (
    "a switch that is called", "errors of torch", "errors suppressed", "functions replaced", "weak references", "errors of a future",
    "tensors of another class", "operations intercepted", "default dtype",
    "what a trainer is given", "what a loop goes over", "a default that runs", "run by its name", "text that is run", "tracing",
)  # fmt: skip
CONCERNS_WHO_LEADS_THERE = (
    "hooks", "hooks by name", "table of hooks", "another class", "variables", "strides", "attributes by any name", "method by its name",
    "modules by any name", "table of modules", "state that is set", "version counter", "grad mode by a call", "grad mode by name",
)  # fmt: skip


@pytest.mark.parametrize("name", LASTING)
def test_what_lasts_concerns_code_that_it_has_nothing_to_do_with(name: str) -> None:
    assert not any(fix.safe for fix in fixes(f"{CODE}\n{GUILTY[name]}\n"))


@pytest.mark.parametrize("name", CONCERNS_WHO_LEADS_THERE)
def test_what_is_done_to_what_is_handed_in_and_to_grad_mode_concerns_who_leads_to_both(name: str) -> None:
    (fix,) = fixes(f"{CODE}\n{GUILTY[name]}\n")
    assert fix.safe and "code in other files does not bring it together with what this file keeps apart" in fix.assumes


@pytest.mark.parametrize("name", CONCERNS_WHO_LEADS_THERE[:-2])
def test_a_network_that_is_read_back_may_be_handed_to_anybody(name: str) -> None:
    reads = "def start(path):\n    net = torch.load(path)\n    return net(torch.ones(3))\n"
    assert not any(fix.safe for fix in fixes(f"{CODE}\n{GUILTY[name]}\n{reads}"))


def test_it_says_what_it_assumes_where_the_file_keeps_things_apart() -> None:
    apart = "class Loud(nn.Module):\n    def forward(self, x):\n        with torch.autocast('cpu'):\n            return x * 2"
    (alone,), (beside,) = fixes(CODE), fixes(f"{CODE}\n{apart}\n")
    assert beside.safe and {*beside.assumes} - {*alone.assumes} == {
        "code in other files does not bring it together with what this file keeps apart"
    }


SEEN_PARTS = (
    "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        {init}\n"
    "        self.body = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True))\n    def forward(self, x):\n        {call}\n"
)
MORE_THAN_BEFORE = {
    "autocast around an activation": SEEN_PARTS.format(
        init="pass", call="with torch.autocast('cpu'):\n            return self.body(x)"
    ),
    "attributes by a method of that name": SEEN_PARTS.format(
        init="self.__setattr__('head', nn.Linear(3, 3))", call="return self.body(x)"
    ),
    "a copy of the attributes": SEEN_PARTS.format(init="pass", call="return self.body(x)")
    + "    def told(self):\n        import copy\n        return copy.deepcopy(self.__dict__)\n",
    "a property that is set": SEEN_PARTS.format(init="pass", call="return self.body(x)")
    + "class Settings:\n    @property\n"
    "    def path(self):\n        return self.p\n    @path.setter\n    def path(self, value):\n        self.p = value\n"
    "def put(settings, value):\n    settings.path = value\n    return Net()(value)\n",
    "a dictionary of modules": "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    "        self.more = nn.ModuleDict()\n        for i in range(3):\n            self.more[f'c{i}'] = nn.Linear(3, 3)\n"
    "        self.body = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True))\n    def forward(self, x):\n"
    "        return self.body(x)",
    "float32 by name": "def run(x):\n    w = torch.ones(3, requires_grad=True)\n    h = w * 2\n"
    "    h += torch.ones(3, dtype=torch.float32)\n    return h",
    "a name that is printed": "class Table:\n    def find(self, name):\n        print(f'{name} is sought')\n"
    "        return {'a': 1}.get(name)\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    "        self.fc, self.act, self.table = nn.Linear(3, 3), nn.LeakyReLU(inplace=True), Table()\n"
    "    def forward(self, x):\n        return self.act(self.fc(x))",
    "one layer or another": "class Net(nn.Module):\n    def __init__(self, own):\n        super().__init__()\n"
    "        if own:\n            self.norm = nn.InstanceNorm2d(3)\n        else:\n            self.norm = nn.BatchNorm2d(3)\n"
    "        self.act = nn.ReLU(inplace=True)\n    def forward(self, x):\n        return self.act(self.norm(x))",
    "numpy for a number": "import numpy as np\ndef run(s):\n    w = torch.ones(3, requires_grad=True)\n    h = w * np.pi\n"
    "    h += use(s)\n    return h",
    "a function of that name": "def double(s):\n    return s\ndef run(s):\n    w = torch.ones(3, requires_grad=True)\n"
    "    h = w * 2\n    k = double(s)\n    h += use(s)\n    return h",
    "float32 by a method": "def run(x, s: torch.Tensor):\n    w = torch.ones(3, requires_grad=True)\n    h = w * 2\n"
    "    h += s.float()\n    return h",
    "grad mode for a block": f"{CODE}def step(flag):\n    with torch.set_grad_enabled(flag):\n        return main()",
    "a layer that is handed in": "import numpy as np\nMEAN = np.ones(3)\nclass Net(nn.Module):\n"
    "    def __init__(self, down=None):\n        super().__init__()\n        self.fc, self.down = nn.Linear(3, 3), down\n"
    "    def forward(self, x):\n        h, y = self.fc(x), x\n        if self.down is not None:\n            y = self.down(x)\n"
    "        h += y\n        return h",
    "a guess and a tensor": "class Net(nn.Module):\n    def back(self, x):\n        h = x.new_zeros(3)\n"
    "        w = torch.ones(3, requires_grad=True)\n        h = h + x\n        h -= w.exp()\n        return h",
}


@pytest.mark.parametrize("code", MORE_THAN_BEFORE.values(), ids=MORE_THAN_BEFORE.keys())
def test_what_is_followed_leaves_it_safe(code: str) -> None:
    found = fixes(code)
    assert found and all(fix.safe for fix in found), [fix.doubts for fix in found]


STILL_IN_DOUBT = {
    "a dictionary of known parts": MORE_THAN_BEFORE["a dictionary of modules"].replace(
        "nn.ModuleDict()", "nn.ModuleDict({'c0': nn.Linear(3, 3)})"
    ),
    "float64 as well": MORE_THAN_BEFORE["float32 by name"].replace("    h +=", "    k = w.double()\n    h +="),
    "numpy for an array": MORE_THAN_BEFORE["numpy for a number"].replace("np.pi", "np.ones(3).sum()"),
    "a method of that name": MORE_THAN_BEFORE["a function of that name"].replace("k = double(s)", "k = w.double()"),
    "a number of numpy": MORE_THAN_BEFORE["numpy for a number"].replace("np.pi", "np.sqrt(2.0)"),
    "a function of numpy": MORE_THAN_BEFORE["numpy for a number"]
    .replace("import numpy as np", "from numpy import sqrt")
    .replace("np.pi", "sqrt(2.0)"),
    "numpy as a value": MORE_THAN_BEFORE["numpy for a number"].replace("use(s)", "use(np)"),
    "something of numpy": MORE_THAN_BEFORE["numpy for a number"]
    .replace("import numpy as np", "from numpy import *")
    .replace("np.", ""),
    "float32 by a method, beside another": MORE_THAN_BEFORE["float32 by a method"].replace(
        "w * 2", "w * 2\n    k = w.half()"
    ),
    "inside the block": MORE_THAN_BEFORE["grad mode for a block"]
    .replace("return main()", "return main()")
    .replace("    h += 1", "    with torch.set_grad_enabled(w > 0):\n        h += 1"),
    "grad mode for good": MORE_THAN_BEFORE["grad mode for a block"].replace(
        "with torch.set_grad_enabled(flag):", "if torch.set_grad_enabled(flag):"
    ),
    "two guesses": MORE_THAN_BEFORE["a guess and a tensor"]
    .replace("w.exp()", "x")
    .replace("x.new_zeros(3)", "make(x)"),
    "one layer or what hands on": MORE_THAN_BEFORE["one layer or another"].replace("InstanceNorm2d(3)", "Identity()"),
}


@pytest.mark.parametrize("code", STILL_IN_DOUBT.values(), ids=STILL_IN_DOUBT.keys())
def test_what_is_not_followed_leaves_it_to_a_run(code: str) -> None:
    assert not any(fix.safe for fix in fixes(code))


@pytest.mark.parametrize("call", ("net(torch.DoubleTensor([1.0]))", "torch.DoubleTensor([1.0])"))
def test_another_dtype_concerns_all_only_where_it_meets_what_is_given(call: str) -> None:
    code = CODE.replace("h += 1", "h += w") + f"\ndef run(net, x):\n    return {call}\n"
    assert any(fix.safe for fix in fixes(code)) is not call.startswith("net")


def test_a_text_of_what_is_handed_in_is_taken_to_be_for_people() -> None:
    text = MORE_THAN_BEFORE["a name that is printed"].replace("name", "hidden")
    kept = text.replace("print(f'{hidden} is sought')", "self.said = f'{hidden} is sought'")
    leaky = kept.replace("nn.ReLU(inplace=True)", "nn.LeakyReLU(0.1, inplace=True)")
    found = [fix for fix in fixes(f"{CODE}{leaky}") if fix.rewrite == "inplace-module"]
    assert found and all(fix.safe and "for people" in " ".join(fix.assumes) for fix in found)
