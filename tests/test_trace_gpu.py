"""On a GPU the backward runs on threads of the engine, fused kernels write for themselves, and steps are foreach."""

from __future__ import annotations

import pytest
import torch
from tracing import traced

from fixinplace.trace.tracer import Options

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU that torch can use"),
    pytest.mark.filterwarnings("ignore"),
]
BOTH = pytest.mark.parametrize("options", [Options(), Options(content=True)], ids=["versions", "content"])
DIES = {
    "augmented": (
        """
        h = torch.randn(3, device="cuda", requires_grad=True).exp()  # save
        h += 1  # write
        h.sum().backward()  # backward
        """,
        "",
    ),
    "tensor hook": (
        """
        h = torch.randn(3, device="cuda", requires_grad=True) * 1
        squared = h ** 2  # save
        top = squared * 3

        def hook(gradient):
            h.detach().mul_(2)  # write

        top.register_hook(hook)
        top.sum().backward()  # backward
        """,
        "",
    ),
    "foreach step": (
        """
        model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1)).cuda()
        optimizer = torch.optim.Adam(model.parameters(), foreach=True)
        loss = model(torch.randn(3, 4, device="cuda")).mean()  # save
        loss.backward(retain_graph=True)
        optimizer.step()  # write
        loss.backward()  # backward
        """,
        "FIP201",
    ),
    "autocast": (
        """
        layer = nn.Linear(4, 4).cuda()
        with torch.autocast("cuda", dtype=torch.float16):
            h = torch.sigmoid(layer(torch.randn(2, 4, device="cuda")))  # save
            h += 1  # write
        h.float().sum().backward()  # backward
        """,
        "",
    ),
}


@BOTH
@pytest.mark.parametrize("name", list(DIES))
def test_what_dies_is_blamed(name: str, options: Options):
    body, rule = DIES[name]
    run = traced(body, options)
    offence = run.trace.offences[0]
    assert offence.save is not None and offence.save.place is not None and offence.needed is not None
    assert offence.writes[0].place is not None

    assert isinstance(run.error, RuntimeError) and "modified by an inplace operation" in str(run.error)
    assert {offence.writes[0].place.line} == run.lines("write")
    assert {offence.save.place.line} == run.lines("save")
    assert {offence.needed.line} == run.lines("backward")
    assert (offence.rule, offence.complete) == (rule, True)


@BOTH
def test_a_fused_step_is_blamed_loudly_or_silently_as_torch_does(options: Options):
    run = traced(
        """
        layer = nn.Linear(4, 4).cuda()
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.5, fused=True)
        loss = layer(torch.randn(2, 4, device="cuda", requires_grad=True)).square().sum()  # save
        loss.backward(retain_graph=True)
        optimizer.step()  # write
        loss.backward()
        """,
        options,
    )
    offence = run.trace.offences[0]
    assert offence.writes[0].place is not None

    assert {offence.writes[0].place.line} == run.lines("write")
    assert (offence.rule, offence.silent) in (("FIP201", False), ("FIP306", True))


@BOTH
def test_saved_on_the_cpu_is_a_copy(options: Options):
    run = traced(
        """
        h = torch.randn(3, device="cuda", requires_grad=True) * 1
        with torch.autograd.graph.save_on_cpu():
            out = h.square()
        h.mul_(2)
        out.sum().backward()
        """,
        options,
    )

    assert (run.trace.offences, run.error) == ((), None)


@BOTH
def test_a_right_step_is_not_blamed(options: Options):
    run = traced(
        """
        model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Flatten(),
                              nn.LazyLinear(2), nn.Dropout(0.5, True)).cuda()
        images = torch.randn(2, 3, 8, 8, device="cuda")
        model(images)
        optimizer = torch.optim.AdamW(model.parameters())
        for _ in range(3):
            optimizer.zero_grad()
            model(images).square().sum().backward()
            optimizer.step()
        """,
        options,
    )

    assert (run.trace.offences, run.error) == ((), None)
