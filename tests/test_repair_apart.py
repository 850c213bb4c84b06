"""What the forms propose for memory that is seen under another name, in a list, or through another object."""

from __future__ import annotations

import textwrap

import pytest
from choosing import PATH, code, offences

from fixinplace import source
from fixinplace.repair.proposed import culprits

CASES = {
    "a list of operands": (
        """
        import torch

        def main():
            q, bank = torch.randn(2, 3, requires_grad=True), torch.randn(3, 4)
            loss = torch.einsum("nc,ck->nk", [q, bank.detach()]).sum()
            bank[:, 0] = 1.0
            loss.backward()
        """,
        "[q, bank.detach().clone()]",
        "clone-read",
    ),
    "a tuple of states": (
        """
        import torch

        def main():
            cell, hidden, cells = torch.nn.LSTMCell(2, 3), torch.zeros(4, 3), torch.zeros(4, 3)
            for _ in range(2):
                now, kept = hidden[:2], cells[:2]
                h, c = cell(torch.randn(2, 2), (now, kept))
                cells[:2] = c
            h.sum().backward()
        """,
        "(now, kept.clone())",
        "clone-read",
    ),
    "rows of a store": (
        """
        import torch

        class Store:
            def __init__(self):
                self.rows = torch.zeros(3, 2)

            def insert(self, step, row):
                self.rows[step].copy_(row)

        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.actor, self.critic = (torch.nn.Sequential(torch.nn.Linear(2, 1)) for _ in range(2))

            def act(self, seen):
                return self.actor(seen) + self.critic(seen)

        def main():
            store, net = Store(), Net()
            loss = net.act(store.rows[0])
            store.insert(1, torch.ones(2))
            loss.sum().backward()
        """,
        "net.act(store.rows[0].clone())",
        "clone-argument",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_proposed(name: str):
    text, line, form = CASES[name]
    text = textwrap.dedent(text)
    program = code(text)

    found = culprits(offences(text), lambda path: program if path == PATH else None)

    changes = [each.changes for culprit in found for each in culprit.proposals if each.repair == form]
    patched = [source.apply(text, change.edits) for some in changes for change in some if not change.wraps]
    assert any(line in each for each in patched)
