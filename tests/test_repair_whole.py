"""Rows written at once, copies where a name is bound, and what is put back before a backward."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from choosing import PATH, code, program
from proposing import HEAD, function, offence, patched, proposed
from repair_check import FOLDER

from fixinplace.repair.patching import compose

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
    "one of two names": (READ.replace("h = self.all()", "h, g = self.all(), x"), "h, g = self.all().clone(), x"),
    "of what is taken apart": (READ.replace("h = self.all()", "h, g = self.all()"), ""),
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


EITHER = {
    "an argument": ("state = act(h[0] if lr else skip, x)\nh[0] = state", "act(h[0] if lr else skip, x)",
                    "state = act(h[0].clone() if lr else skip, x)"),
    "the other branch": ("state = act(x, s=skip if lr else h[0])\nh[0] = state", "act(x, s=skip if lr else h[0])",
                         "state = act(x, s=skip if lr else h[0].clone())"),
    "a chain": ("state = act(skip if lr else x if lr > 1 else h[0])\nh[0] = state",
                "act(skip if lr else x if lr > 1 else h[0])",
                "state = act(skip if lr else x if lr > 1 else h[0].clone())"),
    "in an operator": ("state = (h[0] if lr else skip) * x\nh[0] = state", "(h[0] if lr else skip) * x",
                       "state = (h[0].clone() if lr else skip) * x"),
    "bound before": ("s = h[0] if lr else skip\ns = act(x, s)\nh[0] = s", "act(x, s)", "s = act(x, s.clone())"),
    "bound on a branch": ("if lr:\n    s = h[0]\nelse:\n    s = skip\ns = act(x, s)\nh[0] = s", "act(x, s)",
                          "s = act(x, s.clone())"),
    "bound to another": ("s = skip[0] if lr else skip\ns = act(x, s)\nh[0] = s", "act(x, s)", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", EITHER)
def test_a_slot_that_a_condition_chooses_is_cloned(name: str):
    body, save, line = EITHER[name]
    text = function(body)
    found = proposed(text, offence(text, body.split("\n")[-1], save, "FIP109"))
    read = [patched(text, each) for each in found if each.repair == "clone-read"]

    assert read[:1] == ([[line]] if line else [])


SWAPPED = """
class Averaged:
    def lend(self, net):
        for p in net.parameters():
            p.data = p.data * 2

    def give_back(self, net):
        for p in net.parameters():
            p.data = p.data / 2


def main(net, averaged, optimizer, x):
    y = net(x)
    averaged.lend(net)
    loss = y.sum()
    loss.backward()
    averaged.give_back(net)
    optimizer.step()
    return loss
"""
GIVEN_BACK = "    averaged.give_back(net)\n"
LATER = {
    "right behind the backward": (SWAPPED, True),
    "behind something else": (SWAPPED.replace(GIVEN_BACK, "    count = len(x)\n" + GIVEN_BACK), True),
    "behind the step, which looks at the weights": (
        SWAPPED.replace(GIVEN_BACK, "").replace("optimizer.step()\n", "optimizer.step()\n" + GIVEN_BACK), False),
    "behind what it is for": (SWAPPED.replace(GIVEN_BACK, "    seen = net(x)\n" + GIVEN_BACK), False),
    "nothing that sets `.data`": (SWAPPED.replace(GIVEN_BACK, "    averaged.note(net)\n"), False),
    "already before it": (SWAPPED.replace("    loss.backward()\n" + GIVEN_BACK, GIVEN_BACK + "    loss.backward()\n"),
                          False),
}  # fmt: skip


@pytest.mark.parametrize("name", LATER)
def test_what_puts_weights_back_goes_before_the_backward(name: str):
    text, wanted = LATER[name]
    one = program(text, "y = net(x)", ["p.data = p.data * 2", "averaged.lend(net)"], "loss.backward()", "FIP303", by="")

    found = [each for each in one.proposals() if "moved before `loss.backward()`" in each.title]

    assert len(found) == wanted
    assert all(GIVEN_BACK + "    loss.backward()\n" in one.patched(each) for each in found)


AHEAD = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.left, self.right = mlp(3, 4), mlp(4, 1), mlp(4, 1)


def main(x):
    net = Net()
    one = torch.optim.SGD([*net.body.parameters(), *net.left.parameters()], lr=0.1)
    two = torch.optim.SGD([*net.body.parameters(), *net.right.parameters()], lr=0.1)
    h = net.body(x)
    first, second = net.left(h).mean(), net.right(h).mean()
    one.zero_grad()
    first.backward(retain_graph=True)
    one.step()
    two.zero_grad()
    second.backward()
    two.step()
    return net
"""
TWO = "two = torch.optim.SGD([*net.body.parameters(), *"
TAKEN = {
    "two optimizers of one body": (AHEAD, True),
    "a graph that is kept": (AHEAD.replace("second.backward()", "second.backward(retain_graph=True)"), True),
    "parameters of their own": (AHEAD.replace(TWO, TWO.replace("*net.body.parameters(), ", "")), False),
    "gradients that add up": (AHEAD.replace("    two.zero_grad()\n", ""), False),
    "a loss of after the step": (AHEAD.replace("    second.back", "    second = second * 2\n    second.back"), False),
    "a loss that is scaled": (AHEAD.replace("second.backward()", "(second * 2).backward()"), False),
    "a backward with inputs": (AHEAD.replace("second.backward()", "second.backward(inputs=[x])"), False),
    "a name that is taken": (AHEAD.replace("def main(x):\n", "def main(x):\n    two_grads = []\n"), False),
}  # fmt: skip


@pytest.mark.parametrize("name", TAKEN)
def test_gradients_are_taken_ahead_where_optimizers_share(name: str):
    text, wanted = TAKEN[name]
    needed = next(line.strip() for line in text.split("\n") if ".backward(" in line and "first" not in line)
    one = program(text, "net.right(h)", "one.step()", needed)

    found = [each for each in one.proposals() if "taken before `one.step()`" in each.title]

    assert len(found) == wanted
    kept = ", retain_graph=True" if "kept" in name else ""
    line = f"two_grads = torch.autograd.grad(second, two_params{kept}, allow_unused=True)\n    one.step()"
    assert all(line in one.patched(each) for each in found)


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
    "shrunk_factors": (
        "        weight.copy_(shrunk(weight - self.rate * weight.grad, self.rate * self.penalty))\n",
        "        with torch.no_grad():\n"
        "            weight.copy_(shrunk(weight - self.rate * weight.grad, self.rate * self.penalty))\n",
    ),
    "muted_bands": (
        "        mask = torch.sigmoid(self.lift(frames))\n        low, high = mask.chunk(2, 1)\n",
        "        mask = torch.sigmoid(self.lift(frames)).clone()\n"
        "        low, high = mask[:, : (mask.shape[1] + 1) // 2], mask[:, (mask.shape[1] + 1) // 2 :]\n",
    ),
    "recalled_notes": (
        "return self.keys[:, : self.count], self.notes[:, : self.count]",
        "return self.keys[:, : self.count].clone(), self.notes[:, : self.count].clone()",
    ),
    "levelled_filters": (
        "return self.taps(signal.unsqueeze(1))",
        'return torch.func.functional_call(self.taps, {"weight": self.taps.weight.clone()}, (signal.unsqueeze(1),))',
    ),
    "watched_layer": ("F.relu_(self.second(x))", "F.relu(self.second(x))"),
    "stored_path": ("torch.zeros(steps + 1, 2, requires_grad=True)", "torch.zeros(steps + 1, 2)"),
    "duplicate_pixels": (
        "        image[pixels] = self.colour * 2.0\n",
        "        kept = sorted({at: n for n, at in enumerate(pixels.tolist())}.values())\n"
        "        image[pixels[kept]] = (self.colour * 2.0)[kept]\n",
    ),
    "laid_grains": ("    @torch.no_grad()\n", ""),
    "damped_states": ("state += self.move(action)", "state = state + self.move(action)"),
    "steady_norm": (
        "F.batch_norm(x, self.centre, self.spread, self.gain, self.shift)",
        "F.batch_norm(x, self.centre.clone(), self.spread.clone(), self.gain, self.shift)",
    ),
    "sure_pixels": (
        "    chance.data.clamp_(1 - SURE, SURE)\n",
        "    chance = chance.clamp(1 - SURE, SURE)\n",
    ),
    "stepped_gains": (
        "gain.clamp_(-top, top).div_(step).round_().mul_(step)",
        "gain.clamp(-top, top).div(step).round().mul(step)",
    ),
    "window_stream": (
        "            yield torch.from_numpy(self.x), torch.from_numpy(self.y)\n",
        "            yield torch.from_numpy(self.x).clone(), torch.from_numpy(self.y).clone()\n",
    ),
}


APART = {
    "a, b = x.unbind(1)": "a, b = x[:, 0], x[:, 1]",
    "a, b = x.unbind()": "a, b = x[0], x[1]",
    "a = x.unbind(dim=-1)[2]": "a = x[..., 2]",
    "a, b = x.chunk(2)": "a, b = x[: (len(x) + 1) // 2], x[(len(x) + 1) // 2 :]",
    "a, b = x.chunk(2, -1)": "a, b = x[..., : (x.shape[-1] + 1) // 2], x[..., (x.shape[-1] + 1) // 2 :]",
    "a, b = x.chunk(2, -2)": "",
    "a, b = x.chunk(lr)": "",
    "a, b = self.act(x).unbind(1)": "",
    "a, b = x.split(2)": "",
    "a, b, *c = x.unbind(1)": "",
}


@pytest.mark.parametrize(("cut", "line"), APART.items(), ids=APART.keys())
def test_pieces_whose_whole_is_read_are_made_by_an_index_each(cut: str, line: str):
    text = function(f"{cut}\na.mul_(2)\nreturn x")
    found = proposed(text, offence(text, "a.mul_(2)", None, "FIP204"))
    apart = [each for each in found if each.repair == "pieces-apart"]

    assert [patched(text, each) for each in apart] == ([[line]] if line else [])


RING = """class Ring:
    def push(self, k, v):
        self.k[self.n] = k
        self.v[self.n] = v

    def all(self):
        return {given}


def read(ring, q):
    k, v = ring.all()
    return k.dot(q), v * q
"""
RETURNED = {
    "self.k[0].t(), self.v": ("self.k[0].t().clone(), self.v", "self.k[0].t().clone(), self.v.clone()"),
    "self.k": ("self.k.clone()",),
    "self.v[0], self.k[0], 1": ("self.v[0], self.k[0].clone(), 1", "self.v[0].clone(), self.k[0].clone(), 1"),
    "self.k[0] * 2, self.v": (),
    "self.k.sum(0)": (),
    "other.k": (),
    "self.v": (),
}


@pytest.mark.parametrize(("given", "copied"), RETURNED.items(), ids=RETURNED.keys())
def test_a_buffer_that_a_method_returns_is_cloned_there(given: str, copied: tuple[str, ...]):
    text = HEAD + RING.format(given=given)
    found = proposed(text, offence(text, "self.k[self.n] = k", "k.dot(q)"))
    returned = [each for each in found if each.repair == "clone-returned"]

    assert [patched(text, each) for each in returned] == [[f"return {line}"] for line in copied]


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


LAST = {
    "x[i] = skip": ["kept = sorted({at: n for n, at in enumerate(i.tolist())}.values())", "x[i[kept]] = skip[kept]"],
    "x[:, i] = skip + 1": ["kept = sorted({at: n for n, at in enumerate(i.tolist())}.values())",
                           "x[:, i[kept]] = (skip + 1)[:, kept]"],
    "x[i, self.j] = skip": ["kept = sorted({at: n for n, at in enumerate(zip(i.tolist(), self.j.tolist()))}.values())",
                            "x[i[kept], self.j[kept]] = skip[kept]"],
    "x.index_put_((i,), skip)": ["kept = sorted({at: n for n, at in enumerate(i.tolist())}.values())",
                                 "x.index_put_((i[kept],), skip[kept])"],
    "x.index_copy_(0, i, skip)": ["kept = sorted({at: n for n, at in enumerate(i.tolist())}.values())",
                                  "x.index_copy_(0, i[kept], skip[kept])"],
    "x[i()] = skip": [],
    "x[i] += skip": [],
    "x.index_put_((i,), skip, accumulate=True)": [],
    "x.index_copy_(1, i, skip)": [],
}  # fmt: skip


@pytest.mark.parametrize(("store", "lines"), LAST.items(), ids=LAST.keys())
def test_a_store_that_names_an_element_twice_keeps_the_last(store: str, lines: list[str]):
    text = function(f"{store}\nreturn x")
    found = proposed(text, offence(text, store, None, "FIP304"))
    last = [patched(text, each) for each in found if each.repair == "last-of-each"]

    assert last[:1] == ([lines] if lines else [])
    assert all(each[1].endswith(("= skip", "= skip + 1", "skip)")) for each in last[1:])


def test_the_name_of_what_is_kept_is_a_new_one():
    text = function("kept = 1\nx[i] = skip\nreturn x")
    found = proposed(text, offence(text, "x[i] = skip", None, "FIP304"))

    assert patched(text, next(each for each in found if each.repair == "last-of-each"))[0].startswith("kept_last = ")


WITH = 'torch.func.functional_call(self.conv, {"weight": self.conv.weight.clone()}, '
CALLED = {
    "self.conv(x, lr)": f"{WITH}(x, lr))",
    "self.conv(x, mask=lr)": f"{WITH}(x,), {{'mask': lr}})",
    "self.conv(*x)": "",
    "self.act(x)": "",
}


@pytest.mark.parametrize("write", ["self.conv.weight.data = skip", "self.conv.weight.data.mul_(skip)"])
@pytest.mark.parametrize(("call", "now"), CALLED.items(), ids=CALLED.keys())
def test_a_module_is_called_with_a_copy_of_the_weight_that_is_written(call: str, now: str, write: str):
    text = function(f"{write}\nreturn {call}")
    found = proposed(text, offence(text, write, call, "FIP303"))
    copied = [patched(text, each) for each in found if each.repair == "weight-copied"]

    assert copied == ([[f"return {now}"]] if now else [])


MADE = {
    "t = torch.zeros(3, requires_grad=True)": "t = torch.zeros(3)",
    "t = torch.zeros(3, 4, dtype=x.dtype, requires_grad=True)": "t = torch.zeros(3, 4, dtype=x.dtype)",
    "t = torch.zeros_like(x).requires_grad_()": "t = torch.zeros_like(x)",
    "t = torch.zeros(3, requires_grad=lr)": "",
    "t = torch.zeros(3, requires_grad=True, dtype=x.dtype)": "",
    "t = x.detach()": "",
}


@pytest.mark.parametrize("rest", ["", "lr.append(t.grad)", "torch.autograd.grad(lr, [t])", "torch.optim.SGD([t], 0.1)"])
@pytest.mark.parametrize(("made", "now"), MADE.items(), ids=MADE.keys())
def test_a_leaf_that_is_filled_need_not_be_one_unless_somebody_asks(made: str, now: str, rest: str):
    text = function(f"{made}\nt[0] = skip\n{rest}\nreturn t")
    found = proposed(text, offence(text, "t[0] = skip", None, "FIP203"))
    lines = [patched(text, each) for each in found if each.repair == "leaf-unasked"]

    assert lines == ([[now]] if now and not rest else [])


@pytest.mark.slow
def test_a_leaf_whose_gradient_is_asked_elsewhere_stays_one(command):
    text = (FOLDER / "stored_path.py").read_text().replace("path[0] = state", "path[1] = state")
    text = text.replace(
        "        loss.backward()\n", "        loss.backward()\n        losses.append(path.grad[0].sum().item())\n"
    )
    text = text.replace("objective(walk(start, length, 6), seen)", "objective(path := walk(start, length, 6), seen)")
    Path("stored_path.py").write_text(text)

    result = command("repair", "stored_path.py::main")

    assert result.exit_code == 1 and Path("stored_path.py").read_text() == text


HELPED = {
    "a decorator": (
        '@torch.no_grad()\ndef take(x):\n    """A row."""\n    return x[0]',
        'def take(x):\n    """A row."""\n    return x[0]',
    ),
    "one of two": (
        "@cached\n@torch.inference_mode()\ndef take(x):\n    return x[0]",
        "@cached\ndef take(x):\n    return x[0]",
    ),
    "a block": (
        "def take(x):\n    with torch.no_grad():\n        return x[0]",
        "def take(x):\n    return x[0]",
    ),
    "more in the block": ("def take(x):\n    with torch.no_grad():\n        x = x * 2\n        return x[0]", ""),
    "grad mode": ("def take(x):\n    return x[0]", ""),
}


@pytest.mark.parametrize("use", ["row = take(x)\nrow += skip\nreturn x", "take(x).add_(skip)\nreturn x"])
@pytest.mark.parametrize(("helper", "after"), HELPED.values(), ids=HELPED.keys())
def test_a_function_that_takes_a_view_is_called_in_grad_mode(helper: str, after: str, use: str):
    text = f"{function(use)}\n\n{helper}\n"
    write = "row += skip" if "row" in use else "take(x).add_(skip)"
    found = [each for each in proposed(text, offence(text, write, None, "FIP206")) if each.repair == "view-outside"]
    texts = [compose({PATH: code(text)}, [each]).rewritten[0].text for each in found]

    assert texts == ([text.replace(helper, after)] if after else [])


BESIDE = {
    "with torch.no_grad():\n    row, rest = x[0], x[1:]\n    k = rest.norm()\nrow += skip\nreturn x, k": [
        "row, rest = x[0], x[1:]"
    ],
    "with torch.no_grad():\n    k, row = x[0].norm(), x[1]\n    k = k + 1\nrow += skip\nreturn x, k": [],
}


@pytest.mark.parametrize(("body", "moved"), BESIDE.items())
def test_a_view_that_is_taken_beside_another_one_leaves_the_block(body: str, moved: list[str]):
    text = function(body)
    found = proposed(text, offence(text, "row += skip", None, "FIP206"))
    texts = [compose({PATH: code(text)}, [each]).rewritten[0].text for each in found if each.repair == "view-outside"]

    assert [text.index(moved[0]) < text.index("with torch") for text in texts] == [True] * len(moved)


@pytest.mark.slow
def test_a_write_behind_autograd_beside_another_culprit_is_a_choice(command):
    shutil.copy(FOLDER / "capped_routes.py", ".")

    result = command("repair", "--output-format", "json", "capped_routes.py::main")
    document = json.loads(result.stdout)

    assert result.exit_code == 1 and document["status"] == "choice" and document["patch"] is None
    diffs = [(FOLDER / f"capped_routes.{number}.diff").read_text() for number in (1, 2)]
    assert [each["diff"] for each in document["choices"]] == diffs
    assert [each["as_saved"] for each in document["choices"]] == [False, True]
    assert [each["rule"] for each in document["culprits"]] == ["FIP109", "FIP308"]


@pytest.mark.slow
def test_a_silent_write_that_the_error_hid_is_repaired_as_well(command):
    """The forward dies before it comes to the store that names an element twice."""
    text = (FOLDER / "duplicate_pixels.py").read_text()
    new = "colour = (self.colour * 2.0).chunk(1)[0]\n        colour += 1\n        image[pixels] = colour\n"
    Path("pixels.py").write_text(text.replace("image[pixels] = self.colour * 2.0\n", new))

    document = json.loads(command("repair", "--output-format", "json", "pixels.py::main").stdout)

    assert [each["rule"] for each in document["culprits"]] == ["FIP204", "FIP304"]
    assert document["status"] == "repaired" and "proved" in document["patch"]["verdict"]
    assert "colour = colour + 1" in Path("pixels.py").read_text()
    assert "image[pixels[kept]] = colour[kept]" in Path("pixels.py").read_text()


@pytest.mark.slow
def test_a_silent_write_behind_a_proved_patch_is_repaired_as_well(command):
    text = (FOLDER / "watched_layer.py").read_text()
    stored = "table[rows] = x.mean(2)\n        return self.last(table)[rows]"
    made = "rows, table = torch.tensor([0, 1, 1, 2, 0]), x.new_zeros(3, 4)"
    Path("watched.py").write_text(text.replace("return self.last(x.mean(2))", f"{made}\n        {stored}"))

    document = json.loads(command("repair", "--output-format", "json", "watched.py::main").stdout)

    assert document["status"] == "repaired" and len(document["patch"]["proposals"]) == 2
    assert "x = F.relu(self.second(x))" in Path("watched.py").read_text()
    assert "table[rows[kept]] = x.mean(2)[kept]" in Path("watched.py").read_text()


@pytest.mark.slow
def test_what_rounds_behind_autograd_is_meant_so(command):
    shutil.copy(FOLDER / "capped_routes.py", ".")
    path = Path("capped_routes.py")
    path.write_text(path.read_text().replace("h.data.clamp_(max=self.cap)", "h.data.round_()"))

    document = json.loads(command("repair", "--output-format", "json", "capped_routes.py::main").stdout)

    assert document["status"] == "repaired" and not document["choices"]


@pytest.mark.slow
def test_a_view_that_a_function_returned_is_still_its_input(command):
    """`state += 1` reaches the input of the Function, which is read later: a new tensor would lose that."""
    shutil.copy(FOLDER / "damped_states.py", ".")
    path = Path("damped_states.py")
    text = path.read_text().replace(
        "state = Damp.apply(state, 0.5)", "whole = state\n            state = Damp.apply(state, 0.5)"
    )
    text = text.replace("self.turn(state))", "self.turn(state) + whole)")
    path.write_text(text)

    result = command("repair", "damped_states.py::main")

    assert result.exit_code == 1 and path.read_text() == text
    assert "state = state + self.move(action)`: refuted forward-differs" in result.stderr


@pytest.mark.slow
def test_a_refused_write_to_what_was_saved_needs_two_repairs(command):
    """Rows that torch refuses to write, and a whole that was saved: one line to blame, two things to change."""
    shutil.copy(FOLDER / "dropped_residues.py", ".")

    result = command("repair", "--diff", "dropped_residues.py::main")

    assert "proved: " in result.stderr
    assert result.stdout == (FOLDER / "dropped_residues.diff").read_text()


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


@pytest.mark.slow
def test_a_method_that_calls_another_one_of_its_name_is_gone_into_once(command):
    """`Ascent.zero_grad` calls `self.optimizer.zero_grad`, and the file has no other method of that name."""
    text = (FOLDER / "sharpness_step.py").read_text()
    wrapper = "    def zero_grad(self):\n        self.optimizer.zero_grad()\n\n    @torch.no_grad()\n    def climb"
    text = text.replace("    @torch.no_grad()\n    def climb", wrapper, 1)
    text = text.replace("self.moves = list(parameters), rho, []", "self.moves = list(parameters), rho, []\n        "
                        "self.optimizer = torch.optim.SGD(self.parameters, lr=0.2)")  # fmt: skip
    text = text.replace("    optimizer = torch.optim.SGD(model.parameters(), lr=0.2)\n", "")
    text = text.replace("optimizer.zero_grad()\n        loss", "ascent.zero_grad()\n        loss")
    text = text.replace("        optimizer.step()", "        ascent.optimizer.step()")
    Path("sharp.py").write_text(text)

    document = json.loads(command("repair", "--output-format", "json", "sharp.py::main").stdout)

    assert document["status"] == "choice" and document["choices"]
