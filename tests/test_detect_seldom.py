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
    "without a graph": method(_BRANCH.format("if torch.is_grad_enabled():")),
    "not training, under a name": method(
        "def forward(self, x):\n    t = self.lin(x)\n    fast = not self.training\n    if fast:\n        t += 1\n    return t"
    ),
    "without a graph, under a name": method(
        "def forward(self, x):\n    t = self.lin(x)\n    fast = not torch.is_grad_enabled()\n"
        "    return t.abs_() if fast else t.abs()"
    ),
    "else of an expression": method(
        "def forward(self, x):\n    t = self.lin(x)\n    return t.abs() if self.training else t.abs_()"
    ),
    "what may be a number": """
        from torch import Tensor
        class N(nn.Module):
            def forward(self, x: Tensor, best: Tensor | float):
                t = x.shape[0] - best
                t[0] = 0
    """,
    "a number that may be a tensor": """
        from torch import Tensor
        def f(best: float | Tensor):
            t = torch.zeros(3)
            t += best
    """,
    "classes that are annotated as a tensor": """
        from torch import Tensor
        def dense(y: Tensor, known: Tensor):
            new = y.clone()
            mean = new.mean()
            new[0] = (y > known).sum(-1)
            return new - mean
    """,
    "annotated indices": "def f(node_ids: torch.Tensor):\n    t = node_ids + 1\n    t[0] = 0\n    return t",
    "rows of an embedding": """
        from torch import Tensor
        class N(nn.Module):
            def __init__(self):
                super().__init__()
                self.emb = nn.Embedding(3, 4)
            def encode(self, feat: Tensor):
                feat = feat + 1
                feat[0] = 0
                return self.emb(feat)
    """,
    "rows of an embedding by a function": """
        from torch import Tensor
        def encode(self, feat: Tensor, w):
            feat[0] = 0
            return torch.nn.functional.embedding(feat, w)
    """,
    "a codec": method("""
        def compress(self, x):
            t = self.lin(x)
            t += 1
            return t
        def decompress(self, t):
            return t
    """),
    "before a model": method("def preprocess_images(self, x):\n    t = self.lin(x)\n    t += 1\n    return t"),
    "one of several sizes": method("""
        def forward(self, x, spatial_shapes: torch.Tensor):
            for h, w in spatial_shapes:
                start = h * w
                start += h
            return start
    """),
    "images of different sizes": """
        from torch import Tensor
        def batched(tensor_list: list[Tensor]):
            for image in tensor_list:
                scaled = image / 255
                scaled -= 0.5
    """,
    "coordinates of a prompt": """
        from torch import Tensor
        def embedded(coords: Tensor, size):
            new = coords * 1
            new[0] = new[0] / size
            return new
    """,
    "weights of edges": method("def forward(self, x, edge_weight: torch.Tensor):\n    edge_weight *= 2\n    return edge_weight"),
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
    "with a graph, under a name": method(
        "def forward(self, x):\n    t = self.lin(x)\n    slow = torch.is_grad_enabled()\n"
        "    return t.abs_() if slow else t.abs()"
    ),
    "a name that is bound twice": method(
        "def forward(self, x, c):\n    t = self.lin(x)\n    fast = not self.training\n    fast = c\n"
        "    if fast:\n        t += 1\n    return t"
    ),
    "after an expression that one of training holds": method(
        "def forward(self, x):\n    t = self.lin(x)\n    u = t.abs() if self.training else t.exp()\n    u += 1\n    return u"
    ),
    "a compressor without a way back": method(
        "def compress(self, x):\n    t = self.lin(x)\n    t += 1\n    return t"
    ),
    "coordinates that a layer is given": """
        from torch import Tensor
        class N(nn.Module):
            def forward(self, coords: Tensor):
                t = coords * 2
                t += 1
                return t
    """,
    "a list of features": """
        from torch import Tensor
        def batched(features: list[Tensor]):
            for one in features:
                t = one * 2
                t += 1
    """,
    "a size that a layer predicts": method(
        "def forward(self, x):\n    box_size = self.lin(x)\n    t = box_size * 2\n    t += 1\n    return t"
    ),
    "a loss that an unseen part computes": """
        from far import Spectral
        def loss(parts, x, y):
            total_loss = 0
            for part in parts:
                total_loss += part(x, y)
            return total_loss
    """,
    "a tensor or several": """
        from torch import Tensor
        def f(x: Tensor | list[Tensor]):
            t = x * 2
            t += 1
    """,
    "rows of an embedding that were looked up": method("""
            self.emb = nn.Embedding(3, 4)
        def forward(self, x):
            x = self.emb(x)
            x += 1
            return x
    """),
    "input of a layer that is no embedding": """
        from torch import Tensor
        class N(nn.Module):
            def __init__(self):
                super().__init__()
                self.embed = nn.Linear(3, 4)
            def encode(self, feat: Tensor):
                feat = feat + 1
                feat[0] = 0
                return self.embed(feat)
    """,
    "floats put into what is annotated": """
        from torch import Tensor
        def dense(y: Tensor, known: Tensor):
            new = y.clone()
            mean = new.mean()
            new[0] = known.mean()
            return new - mean
    """,
    "a sum of losses": """
        def feature_loss(real, made):
            loss = 0
            for one, other in zip(real, made):
                for a, b in zip(one, other):
                    loss += torch.mean(torch.abs(a - b))
            return loss
    """,
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


@pytest.mark.parametrize("name", ["val_loss", "running_loss", "error"])
def test_what_is_summed_up_to_be_told_is_no_loss(name: str) -> None:
    code = f"def told(pairs):\n    {name} = 0\n    for a, b in pairs:\n        {name} += torch.mean(torch.abs(a - b))"
    assert found(code)[-1].facts.tracked is None
