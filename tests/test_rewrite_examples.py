"""Every rewrite's own examples: found by detection, written as promised, finished afterwards, and right when run."""

from __future__ import annotations

import contextlib
import pkgutil
import subprocess
import sys

import pytest
import torch
from rewriting import findings, fixed
from torch.autograd import forward_ad

from fixinplace import names, rewrite
from fixinplace.model import Fix
from fixinplace.rewrite import forms

EXAMPLES = [
    pytest.param(one, example, id=f"{one.name}-{number}")
    for one in rewrite.rewrites()
    for number, example in enumerate(one.examples)
]


@pytest.mark.parametrize(("one", "example"), EXAMPLES)
def test_the_example_is_what_is_written(one, example):
    planned = findings(example.before, example.run)

    assert fixed(example.before, planned) == example.after
    assert one.name in {f.outcome.rewrite for f in planned if isinstance(f.outcome, Fix)}


@pytest.mark.parametrize(("one", "example"), EXAMPLES)
def test_what_was_written_is_finished(one, example):
    assert fixed(example.after, findings(example.after, example.run)) == example.after


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
@pytest.mark.parametrize(("one", "example"), EXAMPLES)
def test_the_example_computes_the_same(one, example):
    reference = _run(example.before, cloned=True)
    if reference is None:
        assert one.name in ("out-argument", "index-rows"), "only these cannot run as they were: torch refuses them"
    result = _run(example.after, cloned=False)

    assert result is not None
    for before, after in zip(reference or result, result, strict=True):
        torch.testing.assert_close(after, before, rtol=0, atol=0)
    if one.name == "index-rows":
        value, slope = _forward(example.before)
        torch.testing.assert_close(result[0], value, rtol=0, atol=0)
        torch.testing.assert_close((result[1] * torch.arange(9.0).view(3, 3)).sum(), slope)


def _run(text: str, cloned: bool) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Value of `f` and gradient of its argument; None if the program raises what torch raises for `out=`."""
    namespace: dict[str, object] = {}
    exec(compile(text, "example", "exec"), namespace)
    torch.manual_seed(0)
    x = torch.rand(3, 3, requires_grad=True)
    hooks = torch.autograd.graph.saved_tensors_hooks(lambda t: t.detach().clone(), lambda t: t)
    with hooks if cloned else contextlib.nullcontext():
        try:
            value = namespace["f"](x)
        except RuntimeError as error:
            refused = ("don't support automatic differentiation", "function that returns multiple views")
            assert any(words in str(error) for words in refused)
            return None
        (gradient,) = torch.autograd.grad(value.square().sum(), x)
    return value.detach(), gradient


def _forward(text: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Value of `f`, and the forward-mode derivative of the sum of its squares along 0, 1, 2, ..."""
    namespace: dict[str, object] = {}
    exec(compile(text, "example", "exec"), namespace)
    torch.manual_seed(0)
    with torch.no_grad(), forward_ad.dual_level():
        x = forward_ad.make_dual(torch.rand(3, 3), torch.arange(9.0).view(3, 3))
        value = namespace["f"](x)
        slope = forward_ad.unpack_dual(value.square().sum()).tangent
    return forward_ad.unpack_dual(value).primal, slope


def test_each_file_is_one_rewrite_and_all_are_found():
    files = [module.name for module in pkgutil.iter_modules(forms.__path__)]

    assert len(rewrite.rewrites()) == len(files)
    assert len({one.name for one in rewrite.rewrites()}) == len(files)


@pytest.mark.parametrize("one", rewrite.rewrites(), ids=lambda one: one.name)
def test_a_rewrite_explains_itself(one):
    assert one.examples
    assert all(names.rule(code) is not None for code in one.rules)
    for part in (one.what, one.why, one.safety, "**Fix safety.**", "```diff"):
        assert part in one.documentation


def test_an_f_string_stays():
    text = 'import torch\n\n\ndef f(a):\n    x = torch.exp(a)\n    return f"{x.add_(1)} {x}"\n'

    assert fixed(text, findings(text)) == text


def test_nothing_here_imports_torch():
    code = "import sys, fixinplace.rewrite as r; r.rewrites(); sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
