"""`detach_` on a view, which torch refuses: a name bound anew is a repair only where somebody reads it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from proposing import function, offence, patched, proposed

DETACH = "h.detach_()"
READ = ["h = h.detach()"]
BODIES = {
    "read behind it": ("h = x[0]\nh.detach_()\nreturn act(h)", READ),
    "read before alone": ("h = x[0]\nact(h)\nh.detach_()\nreturn x", []),
    "a loop variable": ("for h in x:\n    h.detach_()\nreturn act(x)", []),
    "a loop variable that is read": ("for h in x:\n    h.detach_()\n    act(h)", READ),
    "bound in each round": ("for s in x:\n    h, c = s\n    act(h)\n    h.detach_()\nreturn x", []),
    "carried into the next round": ("h = x[0]\nfor s in skip:\n    act(h)\n    h.detach_()", READ),
    "another write of it": ("h = x[0]\nh.detach_()\nh = act(x)\nreturn x", []),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_detached_view_is_bound_anew_where_it_is_read(name: str):
    body, lines = BODIES[name]
    text = function(body)
    one = offence(text, DETACH, None, "")
    one = replace(one, writes=(replace(one.writes[0], op="detach_"),))
    found = [patched(text, each) for each in proposed(text, one) if each.repair == "out-of-place"]

    assert found == ([lines] if lines else [])
