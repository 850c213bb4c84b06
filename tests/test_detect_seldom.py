"""What training hardly ever tracks: evaluation's branch, data of a loss, anchors, integers in sight, an optimizer."""

from __future__ import annotations

import pytest
from test_detect_gradients import method
from test_detect_lookalikes import found

from fixinplace.names import counts

_BRANCH = "def forward(self, x, cond):\n    t = self.lin(x)\n    {}\n        t = t.exp()\n    else:\n        t += 1\n    return t"
_EARLY = "def forward(self, x):\n    t = self.lin(x)\n    if {}:\n        {}\n    t += 1\n    return t"

PERHAPS = {
    "else of training": method(_BRANCH.format("if self.training:")),
    "else of training of a part": method(_BRANCH.format("if self.lin.training:")),
    "else of training or more": method(_BRANCH.format("if cond or self.training:")),
    "after the return of training": method(_EARLY.format("self.training", "return t.exp()")),
    "not training": method("def forward(self, x):\n    t = self.lin(x)\n    if not self.training:\n        t += 1\n    return t"),
    "not training and more": method(
        "def forward(self, x, c):\n    t = self.lin(x)\n    if not self.training and c:\n        if c > 1:\n"
        "            t += 1\n    return t"
    ),
    "labels of annotated targets": """
        from torch import Tensor
        def loss(targets: list[dict[str, Tensor]], idx):
            for one in targets:
                t = one["boxes"][idx]
                t[0] = 1
    """,
    "row of annotated targets": """
        from torch import Tensor
        def loss(targets: list[Tensor]):
            for t in targets:
                u = t * 2
                u += 1
    """,
    "targets that an unseen module has resized": """
        from far import Resize
        class N(nn.Module):
            def __init__(self):
                super().__init__()
                self.resize = Resize()
            def forward(self, x, targets):
                x, targets = self.resize(x, targets)
                return self.loss(x, targets)
            def loss(self, x, targets: torch.Tensor):
                t = torch.zeros(3)
                t += targets["labels"]
                return t
    """,
    "anchors": """
        from torch import Tensor
        def loss(anchors: list[Tensor], gt_boxes: Tensor):
            for one in anchors:
                t = (one - gt_boxes).abs_()
    """,
    "matches that the only call in sight takes from an argmax": """
        from torch import Tensor
        class Matcher:
            def __call__(self, quality: Tensor):
                values, matches = quality.max(dim=0)
                self.more(matches)
                return matches
            def more(self, matches: Tensor) -> None:
                matches[0] = 1
    """,
}  # fmt: skip

TRACKED = {
    "body of training": method(_BRANCH.format("if not self.training:")),
    "else of training and more": method(_BRANCH.format("if self.training and cond:")),
    "else of something else": method(_BRANCH.format("if cond:")),
    "after a branch of training that goes on": method(_EARLY.format("self.training", "t = t.exp()")),
    "after the return of evaluation": method(_EARLY.format("not self.training", "return t.exp()")),
    "after a branch that another one holds": method("""
        def forward(self, x, c):
            t = self.lin(x)
            if c:
                if self.training:
                    return t
            else:
                t = t.exp()
            t += 1
            return t
    """),
    "after both": method("""
        def forward(self, x):
            t = self.lin(x)
            if self.training:
                t = t.exp()
            else:
                t = t.tanh()
            t += 1
            return t
    """),
    "predictions beside targets": """
        from torch import Tensor
        def loss(preds: list[Tensor], targets: list[Tensor]):
            for t, one in zip(preds, targets):
                u = t - one
                u += 1
    """,
    "mask that a layer in sight makes": method("""
        def forward(self, x):
            return self.masked(x, self.lin(x))
        def masked(self, x, mask):
            mask += 1
            return x * mask
    """),
    "one anchor of a triplet": "def loss(anchor: torch.Tensor, positive):\n    t = anchor * 2\n    t += 1\n    return t",
    "floats of a call in sight": """
        from torch import Tensor
        class Matcher:
            def __call__(self, quality: Tensor):
                start = torch.zeros(3)
                self.more(start)
            def more(self, quality: Tensor) -> None:
                t = quality * 2
                t += 1
    """,
    "module among optimizers": """
        from far.optimizers.base import Base
        class Learned(Base):
            def forward(self, x):
                t = x * 2
                t += 1
                return t
    """,
}  # fmt: skip


@pytest.mark.parametrize("code", PERHAPS.values(), ids=PERHAPS)
def test_what_training_seldom_tracks_is_reported_as_possibly_tracked(code: str) -> None:
    facts = found(code)[-1].facts
    assert facts.tracked is None
    assert all(counts(hazard.refusal) for hazard in facts.hazards)


@pytest.mark.parametrize("code", TRACKED.values(), ids=TRACKED)
def test_what_only_looks_like_it_stays_tracked(code: str) -> None:
    facts = found(code)[-1].facts
    assert facts.tracked is True
    assert all(counts(hazard.refusal) for hazard in facts.hazards)


@pytest.mark.parametrize("module", ["far.optimizers.adam", "far.optim", "..optimizer.adam"])
def test_a_class_derived_from_one_of_a_package_of_optimizers_is_one(module: str) -> None:
    code = f"""
        from {module} import Adam
        class AMSGrad(Adam):
            def get_mv(self, state, group, grad: torch.Tensor):
                m, v = super().get_mv(state, group, grad)
                m.mul_(2).add_(grad)
                return m
    """
    assert "optimizer" in {h.refusal for h in found(code)[-1].facts.hazards}
