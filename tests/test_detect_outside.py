"""What code in other files returns may require grad; only what is known not to is called untracked."""

from __future__ import annotations

import textwrap

import pytest
from test_detect_lookalikes import found

IMPORTS = "from net import Net, helper\nimport net as nets\nimport random, cv2, scipy.ndimage\nfrom PIL import Image\n"

MODULES = {
    "imported class": "net = Net()\nh = net(torch.randn(2, 3))\nh += 1",
    "class of an imported file": "h = nets.Net(3)(torch.randn(2, 3))\nh += 1",
    "chosen class": "net = Net(1) if random.random() else nn.Identity()\nh = net(torch.randn(2, 3))\nh += 1",
    "attribute of self": """
        class N(nn.Module):
            def __init__(self):
                super().__init__()
                self.net = Net()
            def forward(self, n):
                h = self.net(torch.zeros(3))
                h += 1
                return h
    """,
    "attribute of a trainer": """
        class Trainer:
            def __init__(self):
                self.net = Net()
            def step(self):
                h = self.net(torch.randn(2, 3))
                h += 1
                return h.sum()
    """,
    "one of many": """
        class N(nn.Module):
            def __init__(self):
                super().__init__()
                self.nets = nn.ModuleList([Net() for _ in range(3)])
            def forward(self, n):
                h = self.nets[0](torch.zeros(3))
                h += 1
                return h
    """,
}


def tracked(code: str) -> list[bool | None]:
    return [f.facts.tracked for f in found(IMPORTS + textwrap.dedent(code))]


@pytest.mark.parametrize("code", MODULES.values(), ids=MODULES.keys())
def test_an_instance_of_an_unseen_class_is_taken_for_a_module(code: str) -> None:
    assert tracked(code) == [True]


MAYBE = {
    "function": "h = helper(torch.zeros(3))\nh += 1",
    "function of an imported file": "h = nets.helper(torch.zeros(3))\nh += 1",
    "list of tensors": "h = helper([torch.zeros(3)])\nh += 1",
    "method of an instance": "h = Net().encode(torch.zeros(3))\nh += 1",
    "checkpoint": "import torch.utils.checkpoint as c\nh = c.checkpoint(helper, torch.zeros(3))\nh += 1",
    "functional call": "h = torch.func.functional_call(helper, {}, torch.zeros(3))\nh += 1",
    "callable parameter": "def f(function):\n    h = function(torch.zeros(3))\n    h += 1\n    return h",
    "stack of a list from elsewhere": "def f(xs: list):\n    h = torch.stack(xs)\n    h += 1\n    return h",
}


@pytest.mark.parametrize("code", MAYBE.values(), ids=MAYBE.keys())
def test_a_plain_unseen_function_may_return_either(code: str) -> None:
    assert tracked(code) == [None]


UNTRACKED = {
    "grad mode off": "net = Net()\nwith torch.no_grad():\n    h = net(torch.randn(2, 3))\n    h += 1",
    "made with grad mode off": "net = Net()\nwith torch.no_grad():\n    h = net(torch.randn(2, 3)).mean(0)\nh += 1",
    "detached": "h = Net()(torch.randn(2, 3)).detach().clone()\nh += 1",
    "torch's own function": "h = torch.zeros(3).exp()\nh += torch.cdist(h, h)",
    "stored item": "h = torch.zeros(3).exp()\nh[0] += Net()(torch.ones(3)).item()",
    "bounds of random numbers": "def f(low, high):\n    return torch.empty(1).uniform_(low, high)",
    "random": "h = torch.zeros(3).exp()\nh *= random.choice([1, 2])",
}


@pytest.mark.parametrize("code", UNTRACKED.values(), ids=UNTRACKED.keys())
def test_what_cannot_require_grad_stays_untracked(code: str) -> None:
    assert tracked(code) == [False]


ARRAYS = {
    "scipy": "h = scipy.ndimage.zoom(torch.zeros(3), 2)\nh += 1",
    "cv2": "h = cv2.blur(torch.zeros(3), 2)\nh[0] = 1",
    "constructed": "h = Net(torch.zeros(3))\nh += 1",
}


@pytest.mark.parametrize("code", ARRAYS.values(), ids=ARRAYS.keys())
def test_arrays_and_objects_of_other_libraries_are_no_tensors(code: str) -> None:
    assert tracked(code) == []


DTYPES = {
    "conversion to integers": ("x0 = torch.floor(x).long()\n    x0 += 1\n    return x0", False),
    "conversion by argument": ("x0 = x.floor().to(torch.int64)\n    x0 += 1\n    return x0", False),
    "conversion by type": ("x0 = x.floor().type(torch.LongTensor)\n    x0 += 1\n    return x0", False),
    "conversion back": ("x0 = x.floor().long().float()\n    x0 += 1\n    return x0", False),
    "dtype of another tensor": ("m = torch.ones(3).to(x)\n    m -= 1\n    return m * x", False),
    "type of another tensor": ("m = torch.ones(3).type_as(x)\n    m -= 1\n    return m * x", False),
    "shape of another tensor": ("m = torch.ones(3).expand_as(x).clone()\n    m -= 1\n    return m * x", False),
    "one-hot": ("m = F.one_hot(x.argmax(-1), 3).float()\n    m -= 1\n    return m * x", False),
    "gather by an index": ("m = torch.ones(3).gather(0, i)\n    m -= 1\n    return m * x", False),
    "scatter of an untracked value": ("m = torch.ones(3).scatter(0, i, 1.0)\n    m -= 1\n    return m * x", False),
    "inverted mask": ("m = (~i).float()\n    m -= 1\n    return m * x", False),
    "conjunction": ("m = (i & j).float()\n    m -= 1\n    return m * x", False),
    "conversion to floats": ("x0 = x.float()\n    x0 += 1\n    return x0", True),
    "to another device": ("x0 = x.exp().to(x.device)\n    x0 += 1\n    return x0", True),
    "scatter of a tracked value": ("m = torch.ones(3).scatter(0, i, x)\n    m -= 1\n    return m", True),
    "scatter by keywords": ("m = torch.ones(3).scatter(src=x, dim=0, index=i)\n    m -= 1\n    return m", True),
    "choice": ("m = torch.where(i, torch.ones(3), x)\n    m -= 1\n    return m", True),
}


@pytest.mark.parametrize(("body", "truth"), DTYPES.values(), ids=DTYPES.keys())
def test_gradients_flow_only_through_floats(body: str, truth: bool) -> None:
    code = f"def f(x, i, j):\n    x = x.view(-1)\n    i, j = i.unsqueeze(0), j.unsqueeze(0)\n    {body}"
    assert tracked(code) == [truth]


def test_an_operand_of_which_nothing_is_known_may_require_grad() -> None:
    assert tracked(
        "def f(losses):\n    t = torch.zeros(1)\n    for k in losses:\n        t += losses[k]\n    return t"
    ) == [None]


NUMBERS = {
    "hyperparameter of the constructor": ("__init__(self, tau)", "self.tau = tau", "tau"),
    "used as a size": ("__init__(self, what)", "self.tau = what", "tau"),
    "used in the constructor": ("__init__(self, width_)", "self.tau = width_; self.a = nn.Linear(width_, 2)", "tau"),
}


@pytest.mark.parametrize(("signature", "body", "attribute"), NUMBERS.values(), ids=NUMBERS.keys())
def test_what_is_a_number_by_name_or_use_brings_no_gradient(signature: str, body: str, attribute: str) -> None:
    code = f"""
        class N(nn.Module):
            def {signature}:
                super().__init__()
                {body}
            def forward(self, x):
                m = torch.zeros(self.tau)
                m += 1 / self.{attribute}
                return m * x
    """
    assert tracked(code) == [False]


def test_an_attribute_of_which_nothing_is_known_may_require_grad() -> None:
    code = """
        class N(nn.Module):
            def __init__(self, what):
                super().__init__()
                self.what = what
            def forward(self, x):
                m = torch.zeros(3)
                m += self.what
                return m * x
    """
    assert tracked(code) == [None]


def test_a_hyperparameters_name_says_nothing_outside_modules() -> None:
    code = """
        class Normal:
            def __init__(self, mean, sigma):
                self.sigma = sigma
            def shift(self):
                m = torch.zeros(3)
                m += self.sigma
                return m
    """
    assert tracked(code) == [None]


@pytest.mark.parametrize("use", ["torch.reshape(q, (3,))", "self.reshape(q)", "torch.transpose(q, 0, 1)"])
def test_what_is_given_a_new_shape_is_no_number(use: str) -> None:
    code = f"""
        class N(nn.Module):
            def helper(self, q):
                p = {use}
                m = torch.zeros(3)
                m += q
                return m
    """
    assert tracked(code) != [False]


def test_a_buffer_that_is_annotated_as_a_tensor_does_not_require_grad() -> None:
    code = """
        class N(nn.Module):
            freqs: torch.Tensor
            def __init__(self):
                super().__init__()
                self.register_buffer("freqs", torch.ones(3))
            def forward(self, x):
                m = self.freqs * 2
                m += 1
                return m * x
    """
    assert tracked(code) == [False]


def test_forward_runs_with_grad_mode_on_whoever_calls_it_in_this_file() -> None:
    code = """
        class N(nn.Module):
            def forward(self, x):
                h = torch.exp(x)
                h += 1
                return h
        def evaluate(x):
            net = N()
            with torch.no_grad():
                return net(x)
    """
    assert tracked(code) == [True]


def test_grad_mode_is_followed_through_two_calls() -> None:
    code = """
        def _inner(x):
            h = torch.exp(x)
            h += 1
            return h
        def _outer(x):
            return _inner(x)
        with torch.no_grad():
            _outer(torch.ones(3))
    """
    assert tracked(code) == [False]


@pytest.mark.parametrize(("name", "truth"), [("_fill", False), ("fill", None)])
def test_a_private_helper_gets_what_this_file_gives_it(name: str, truth: bool | None) -> None:
    code = f"""
        def {name}(x):
            x = x.mul(2)
            x += 1
            return x
        def g():
            return {name}(torch.zeros(3))
    """
    assert tracked(code) == [truth]


def test_one_input_for_each_of_several_modules_is_a_list() -> None:
    code = """
        class N(nn.Module):
            def __init__(self, branches):
                super().__init__()
                self.branches = nn.ModuleList(branches)
            def forward(self, x):
                for i in range(2):
                    x[i] = self.branches[i](x[i])
                return x
    """
    assert tracked(code) == []
