"""torch's own messages, each raised for real, are told from a program's own errors."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch

from fixinplace.verify.errors import is_inplace, obstacle
from fixinplace.verify.jobs import Failure, Run, Status


def leaf() -> torch.Tensor:
    return torch.ones(4, requires_grad=True)


def version() -> None:
    y = leaf() * 1
    z = y**2
    y *= 2
    z.sum().backward()


def view_of_leaf() -> None:
    leaf()[0].add_(1)


def of_several_views() -> None:
    (leaf() * 1).unbind()[0].add_(1)


def view_made_without_grad() -> None:
    x = leaf() * 1
    with torch.no_grad():
        v = x.view(2, 2)
    v.mul_(leaf().view(2, 2))


def base_written_after_multi_view() -> None:
    x = leaf() * 1
    a, _ = x.split(2)
    x.mul_(2)
    a.add_(1)


def inference_outside() -> None:
    with torch.inference_mode():
        x = torch.ones(2)
    x.add_(1)


def inference_saved() -> None:
    with torch.inference_mode():
        x = torch.ones(4)
    (leaf() * x).sum().backward()


def overlapping_target() -> None:
    torch.ones(1).expand(3).add_(1)


def overlapping_source() -> None:
    x = torch.ones(4)
    x[1:].add_(x[:-1])


def detach_view() -> None:
    (leaf() * 1)[0].detach_()


def result_argument() -> None:
    torch.add(leaf(), 1, out=torch.empty(4))


def view_of_own_function() -> None:
    class View(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: torch.Tensor) -> torch.Tensor:
            return x.view(-1)

        @staticmethod
        def backward(ctx: object, g: torch.Tensor) -> torch.Tensor:
            return g

    View.apply(leaf() * 1).add_(1)


def hook_output() -> None:
    layer = torch.nn.Linear(4, 4)
    layer.register_full_backward_hook(lambda *_: None)
    layer(leaf()[None]).relu_()


def captured_by_transform() -> None:
    y = torch.ones(2)
    torch.func.grad(lambda x: y.add_(x).sum())(torch.ones(2))


def under_vmap() -> None:
    y = torch.ones(2)
    torch.vmap(y.sub_)(torch.ones(3, 2))


def statistics_under_vmap() -> None:
    torch.vmap(torch.nn.BatchNorm1d(2))(torch.ones(3, 4, 2))


INPLACE = [
    lambda: leaf().add_(1), version, view_of_leaf, of_several_views, view_made_without_grad,
    base_written_after_multi_view, inference_outside, inference_saved, overlapping_target, overlapping_source,
    detach_view, result_argument, view_of_own_function, hook_output, captured_by_transform, under_vmap,
    statistics_under_vmap,
]  # fmt: skip


@pytest.mark.parametrize("raising", INPLACE)
def test_the_errors_of_in_place_writes(raising: Callable[[], object]):
    with warnings.catch_warnings(), pytest.raises(RuntimeError) as caught:
        warnings.simplefilter("ignore")
        raising()
    assert is_inplace(Failure("RuntimeError", str(caught.value)))


def second_time() -> None:
    y = leaf().exp().sum()
    y.backward()
    y.backward()


OWN = [
    second_time,
    lambda: torch.ones(2) @ torch.ones(3),
    lambda: torch.ones(2, requires_grad=True).numpy(),
    lambda: torch.ones(2).backward(),
    lambda: torch.ones(2, dtype=torch.int64).add_(1.5),
]


@pytest.mark.parametrize("raising", OWN)
def test_other_errors_are_the_programs_own(raising: Callable[[], object]):
    with pytest.raises(RuntimeError) as caught:
        raising()
    failure = Failure("RuntimeError", str(caught.value), "/p.py", 3)
    assert not is_inplace(failure)
    reason, sentence = obstacle(Run(Status.ENDED, failure=failure)) or ("", "")
    assert reason == "probe-failed"
    assert sentence.endswith("(p.py:3)")


def reason_of(failure: Failure) -> str:
    found = obstacle(Run(Status.ENDED, failure=failure))
    return found[0] if found else ""


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_lacking_gpu_is_named():
    with pytest.raises((RuntimeError, AssertionError)) as caught:
        torch.ones(1, device="cuda")
    assert reason_of(Failure(type(caught.value).__name__, str(caught.value))) == "needs-gpu"


def test_what_is_lacking_is_named():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 55, dtype=torch.uint8)
    assert reason_of(Failure("RuntimeError", str(caught.value))) == "over-memory"
    assert reason_of(Failure("MemoryError", "")) == "over-memory"
    assert reason_of(Failure("ModuleNotFoundError", "No module named 'a.b'", missing="a.b")) == "needs-package"


@pytest.mark.parametrize("status", [Status.DIED, Status.NO_SERVER, Status.TOO_MANY_PROCESSES])
def test_a_run_without_an_end_record_is_no_evidence(status: Status):
    assert (obstacle(Run(status)) or ("",))[0] == "probe-failed"


def test_an_end_and_an_in_place_error_are_no_obstacle():
    assert obstacle(Run(Status.ENDED)) is None
    assert obstacle(Run(Status.ENDED, failure=Failure("RuntimeError", "modified by an inplace operation"))) is not None
    message = "one of the variables needed for gradient computation has been modified by an inplace operation"
    assert obstacle(Run(Status.ENDED, failure=Failure("RuntimeError", message))) is None
