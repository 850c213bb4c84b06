"""The tables that are shipped are those that the installed torch gives."""

import json
from pathlib import Path

import pytest
import torch

from fixinplace import catalogue
from fixinplace.catalogue import facts, generate, modules, overlay, promises, returning, writing
from fixinplace.catalogue.sample import Sampled, Seen, sample

SHIPPED = Path(catalogue.__file__).parent


@pytest.fixture(scope="module")
def sampled():
    return sample()


def test_tables_are_up_to_date(sampled):
    for file, text in generate.tables(sampled).items():
        fresh, shipped = json.loads(text), json.loads((SHIPPED / file).read_text(encoding="utf-8"))
        assert shipped["version"] == torch.__version__.split("+")[0], (
            "the tables belong to another torch: generate them again"
        )
        changed = {name for name, row in fresh["rows"].items() if shipped["rows"].get(name) != row}
        assert changed | (set(shipped["rows"]) - set(fresh["rows"])) == set()
        assert text == (SHIPPED / file).read_text(encoding="utf-8")


def test_a_new_method_without_twin_needs_a_decision(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "entwine_", lambda self: self, raising=False)
    with pytest.raises(LookupError, match="entwine_"):
        writing.rows(frozenset())


def test_a_new_module_needs_a_row(monkeypatch, sampled):
    monkeypatch.setattr(torch.nn, "Entwine", type("Entwine", (torch.nn.Module,), {}), raising=False)
    with pytest.raises(LookupError, match="Entwine"):
        returning.rows(sampled)


def test_a_sample_that_contradicts_a_claim_is_an_error(sampled):
    lying = Sampled({**sampled.seen, "sin": Seen(shares=True, fresh=True)}, sampled.promoting)
    with pytest.raises(AssertionError, match=r"sin is called fresh"):
        returning.rows(lying)


def test_hand_written_names_exist():
    """A misspelt name in a decision would be a decision that nothing reads."""
    for name in promises.FRESH | promises.LIARS | promises.VIEWS:
        owners = (torch, torch.Tensor, torch.nn.functional)
        assert name in facts.operators() or any(hasattr(owner, name) for owner in owners), name
    for name in promises.FRESH_FUNCTIONALS | set(modules.FUNCTIONALS.values()):
        assert hasattr(torch.nn.functional, name), name
    for name in (*modules.FUNCTIONALS, *modules.ROWS, *modules.WITHOUT_FORWARD):
        assert hasattr(torch.nn, name), name
    for name in promises.CONVERSIONS | promises.OPERATORS.keys():
        assert hasattr(torch.Tensor, name), name
    for name in overlay.VIEWS | overlay.FILLS.keys() | overlay.RANDOM_FILLS | overlay.REFUSED.keys():
        owners = (torch, torch.Tensor, torch.nn.functional)
        assert any(hasattr(owner, name) for owner in owners), name
