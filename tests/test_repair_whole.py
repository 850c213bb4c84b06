"""Rows written at once, copies where a name is bound, and what is put back before a backward."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from proposing import function, offence, patched, proposed
from repair_check import FOLDER

ROWS = "for h in x:\n    h.sub_(lr).div_(self.std)\nreturn x"
AT_ONCE = {
    "a chain": (ROWS, "x = x.sub(lr).div(self.std)"),
    "augmented": (ROWS.replace("h.sub_(lr).div_(self.std)", "h -= lr"), "x = x - lr"),
    "functions of one element": (ROWS.replace("h.sub_(lr).div_(self.std)", "h.sigmoid_()"), "x = x.sigmoid()"),
    "a row of the operand": (ROWS.replace("for h in x", "for h, lr in zip(x, skip)"), ""),
    "along a dimension": (ROWS.replace("in x:", "in x.unbind(1):"), ""),
    "the row again": (ROWS.replace("h.sub_(lr)", "h.sub_(h)"), ""),
    "a mean of the row": (ROWS.replace("h.sub_(lr)", "h.sub_(h.mean())"), ""),
    "an operation over the row": (ROWS.replace("h.sub_(lr).div_(self.std)", "h.cumsum_(0)"), ""),
    "drawn in every turn": (ROWS.replace("h.sub_(lr)", "h.sub_(act())"), ""),
    "more than the write": (ROWS.replace("\nreturn", "\n    act(h)\nreturn"), ""),
    "read behind the loop": (ROWS.replace("return x", "return x, h"), ""),
    "a comment": (ROWS.replace("in x:", "in x:  # every frame"), ""),
    "what a row comes to": (ROWS.replace("lr", "h.mean(dim=1, keepdim=True)"),
                            "x = x.sub(x.mean(dim=2, keepdim=True)).div(self.std)"),
    "counted from behind": (ROWS.replace("lr", "h.mean(dim=-1, keepdim=True)"),
                            "x = x.sub(x.mean(dim=-1, keepdim=True)).div(self.std)"),
    "a dimension that goes": (ROWS.replace("lr", "h.mean(dim=1)"), ""),
    "a dimension that may change": (ROWS.replace("lr", "h.mean(dim=lr, keepdim=True)"), ""),
    "what is kept may change": (ROWS.replace("lr", "h.mean(dim=1, keepdim=lr)"), ""),
}  # fmt: skip


@pytest.mark.parametrize("name", AT_ONCE)
def test_what_is_done_to_every_row_alike_is_done_to_the_whole(name: str):
    body, line = AT_ONCE[name]
    text = function(body)
    write = "h -= lr" if "h -=" in body else body[body.index("h.") :].split("\n")[0]
    found = [each for each in proposed(text, offence(text, write, None, "FIP204")) if "at once" in each.title]

    assert [patched(text, each) for each in found] == ([[line]] if line else [])


READ = "h = self.all()\ny = F.linear(x, h)\nself.push(h)\nreturn y"
BOUND = {
    "a call": (READ, "h = self.all().clone()"),
    "an attribute": (READ.replace("self.all()", "self.kept"), "h = self.kept.clone()"),
    "a slot": (READ.replace("self.all()", "self.kept[lr]"), "h = self.kept[lr].clone()"),
    "a copy already": (READ.replace("self.all()", "self.all().clone()"), ""),
    "bound twice": (READ.replace("\nself.push", "\nh = x\nself.push"), ""),
    "an argument": (READ.replace("h = self.all()\n", "").replace("x, h)", "x, skip)"), ""),
    "arithmetic": (READ.replace("self.all()", "x + 1"), ""),
    "two names at once": (READ.replace("h = self.all()", "h = g = self.all()"), ""),
}


@pytest.mark.parametrize("name", BOUND)
def test_a_local_name_that_shares_the_memory_is_bound_to_a_copy(name: str):
    body, line = BOUND[name]
    text = function(body)
    save = "F.linear(x, skip)" if "skip" in body else "F.linear(x, h)"
    found = proposed(text, offence(text, "self.push(h)", save, "FIP208"))
    bound = [each for each in found if "where it is bound" in each.title]

    assert [patched(text, each) for each in bound] == ([[line]] if line else [])
    assert not bound or found.index(bound[0]) > next(n for n, p in enumerate(found) if "where it is read" in p.title)


REPAIRED = {
    "swapped_teacher": (
        "        loss.backward()\n        averaged.give_back(net)\n",
        "        averaged.give_back(net)\n        loss.backward()\n",
    ),
    "segment_memory": ("self.slots.all()\n", "self.slots.all().clone()\n"),
    "painted_frames": (
        "        for frame in clip:\n            frame.sub_(self.mean).div_(self.std)\n",
        "        clip = clip.sub(self.mean).div(self.std)\n",
    ),
    "window_stream": (
        "            yield torch.from_numpy(self.x), torch.from_numpy(self.y)\n",
        "            yield torch.from_numpy(self.x).clone(), torch.from_numpy(self.y).clone()\n",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REPAIRED)
def test_it_is_proved_and_written(name: str, command):
    shutil.copy(FOLDER / f"{name}.py", ".")
    old, new = REPAIRED[name]
    before = Path(f"{name}.py").read_text()
    assert before.count(old) == 1

    result = command("repair", f"{name}.py::main")

    assert "proved: " in result.stderr + result.stdout
    assert Path(f"{name}.py").read_text().replace("seen.clamp(", "seen.clamp_(") == before.replace(old, new)


@pytest.mark.slow
def test_the_state_of_a_part_is_detached_with_that_of_the_whole(command):
    shutil.copy(FOLDER / "tutor_memory.py", ".")

    document = json.loads(command("repair", "--output-format", "json", "tutor_memory.py::main").stdout)

    first = document["choices"][0]["proposals"][0]["title"]
    assert first == "`model.said` and `model.board.lines` detached behind `optimizer.step()`"


@pytest.mark.slow
def test_gradients_that_are_taken_ahead_of_the_step_are_those_of_the_saved_values(command):
    shutil.copy(FOLDER / "shared_trunk.py", ".")

    document = json.loads(command("repair", "--output-format", "json", "shared_trunk.py::main").stdout)

    ahead, summed, again = document["choices"]
    assert "taken before `fast.step()`" in ahead["proposals"][0]["title"]
    assert [each["as_saved"] for each in (ahead, summed, again)] == [True, False, False]
