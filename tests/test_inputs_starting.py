"""The first recipes for a class: what its signature and its module tell."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from fixinplace.inputs import snippet
from fixinplace.inputs.snippet import Variant
from fixinplace.verify.callers import _texts, elsewhere
from fixinplace.verify.starting import Subject, subject
from fixinplace.verify.trying import _uninitialised

HEAD = "from dataclasses import dataclass\nimport torch\nfrom torch import nn\n"


@pytest.fixture
def module() -> Iterator[ModuleType]:
    """A module that classes can be defined in."""
    made = ModuleType("made_for_starting")
    sys.modules[made.__name__] = made
    yield made
    del sys.modules[made.__name__]


def starts(module: ModuleType, text: str, name: str, lines: frozenset[int] = frozenset()) -> list[str]:
    """The first recipes of a class or function of a text, as Python."""
    exec(compile(HEAD + text, "made.py", "exec"), vars(module))
    found = subject(module, HEAD + text, name, "", lines)
    assert isinstance(found, Subject)
    return [snippet.body(each, Variant(tracked=False)).partition("\n")[2] for each in found.starts]


def test_a_configuration_of_the_module_makes_a_small_model(module: ModuleType):
    first, *others = starts(
        module,
        """
@dataclass
class Tower:
    layers: int = 24
    width: int = 4096
    bias: bool = True

class Model(nn.Module):
    def __init__(self, tower: Tower):
        super().__init__()
    def forward(self, x):
        return x
""",
        "Model",
    )
    assert "tower=target.Tower(layers=2, width=96)" in first
    assert any("tower=target.Tower()" in each for each in others)


def test_optional_inputs_are_given_where_no_other_is(module: ModuleType):
    text = """
class Model(nn.Module):
    def forward(self, image=None, text=None, scale: float | None = None, size=3):
        return image
"""
    (only,) = starts(module, text, "Model")
    assert "model(image=image, text=text)" in only
    (only,) = starts(module, text.replace("image=None", "image"), "Model")
    assert "model(image=image)" in only
    (only,) = starts(module, "def make(weights=None): return nn.Linear(3, 3)", "make")
    assert "target.make()" in only


def test_fake_parameters_are_not_drawn_and_real_ones_are_again():
    with _uninitialised():
        kept = torch.nn.init.zeros_(torch.ones(3))
    assert kept.tolist() == [1, 1, 1]
    assert torch.nn.init.zeros_(torch.ones(3)).tolist() == [0, 0, 0]


def test_a_constructor_is_known_through_its_stars(module: ModuleType):
    first, *_ = starts(
        module,
        """
class Base(nn.Module):
    def __init__(self, width, depth=24, size=7):
        super().__init__()

class Model(Base):
    def __init__(self, layers, **kwargs):
        super().__init__(32, **kwargs)
    def forward(self, x):
        return x
""",
        "Model",
    )
    assert "Model(layers=2, depth=2)" in first


def test_other_files_of_the_project_tell_how_a_class_is_made(module: ModuleType, tmp_path: Path):
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    text = """
class Block(nn.Module): ...
class Model(nn.Module):
    def __init__(self, block, ways, name="x"):
        super().__init__()
    def forward(self, x):
        return x
"""
    (package / "model.py").write_text(HEAD + text)
    (package / "use.py").write_text("from .model import Model, Block\ndef f(n): return Model(Block, n, name='wide')\n")
    (package / "another.py").write_text("class Model: ...\nModel(image_size=7)\n")
    (tmp_path / "beside.py").write_text("import package.model as m\nm.Model(nn.ReLU, [7, 9])\n")
    vars(module)["__file__"] = str(package / "model.py")

    found = starts(module, text, "Model")
    assert any("Model(block=target.Block, name='wide', ways=32)" in each for each in found), found
    assert not any("[7, 9]" in each or "image_size" in each for each in found)

    (tmp_path / "pyproject.toml").touch()
    _texts.cache_clear()
    elsewhere.cache_clear()
    assert any("Model(block=nn.ReLU, ways=[7, 9])" in each for each in starts(module, text, "Model"))


def test_an_object_of_an_imported_class_is_made_where_an_annotation_names_it(module: ModuleType):
    camera = type("Camera", (), {"__module__": "cameras"})
    vars(module).update(Camera=camera)
    (only,) = starts(
        module,
        """
class Warper(nn.Module):
    def __init__(self, camera: Camera, parameter: nn.Parameter):
        super().__init__()
    def forward(self, x, other: Camera):
        return x
""",
        "Warper",
    )
    assert "Warper(camera=target.Camera(), parameter=" in only
    assert "other=target.Camera()" in only
    assert "target.Parameter" not in only
