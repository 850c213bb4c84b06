"""What each local repair proposes, as text; whether it is right is for the proof to say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from choosing import PATH, code, place
from proposing import HEAD, function, offence, patched, proposed

from fixinplace.repair.base import Scene, Tier
from fixinplace.repair.copying import sharing
from fixinplace.repair.patching import Clash, back, compose
from fixinplace.repair.proposed import culprits
from fixinplace.repair.wording import reason_kept
from fixinplace.trace.events import Offence, Place, Save

FIRST = {
    "name": ("h = x.sigmoid()\nh += skip\nreturn h", "h += skip", "x.sigmoid()", "", "h = h + skip"),
    "unknown type": ("h = self.f(x)\nh /= skip + lr\nreturn h", "h /= skip + lr", "self.f(x)", "",
                     "h = h / (skip + lr)"),
    "method": ("h = x.exp()\nh.mul_(2)\nreturn h", "h.mul_(2)", "x.exp()", "", "h = h.mul(2)"),
    "attribute": ("self.h = x.exp()\nself.h *= 2", "self.h *= 2", "x.exp()", "", "self.h = self.h * 2"),
    "flag": ("h = x.exp()\nreturn F.relu(h, inplace=True)", "F.relu(h, inplace=True)", "x.exp()", "",
             "return F.relu(h)"),
    "slot that is read": ("for i in range(1, 4):\n    h[i] = h[i - 1].sin()\nreturn h", "h[i] = h[i - 1].sin()",
                          "h[i - 1].sin()", "", "h[i] = h[i - 1].clone().sin()"),
    "column": ("h = x * 2\nh[:, 1] = torch.exp(h[:, 0])\nreturn h", "h[:, 1] = torch.exp(h[:, 0])",
               "torch.exp(h[:, 0])", "", "h[:, 1] = torch.exp(h[:, 0].clone())"),
    "buffer": ("y = F.linear(x, h)\nh.copy_(skip)\nreturn y", "h.copy_(skip)", "F.linear(x, h)", "FIP208",
               "y = F.linear(x, h.clone())"),
    "attribute beside another": ("y = torch.mv(self.w.t(), self.h)\nself.h.copy_(skip)\nreturn y", "self.h.copy_(skip)",
                                 "torch.mv(self.w.t(), self.h)", "FIP208", "y = torch.mv(self.w.t(), self.h.clone())"),
    "index": ("y = x[h]\nh += 1\nreturn y", "h += 1", "x[h]", "FIP213", "h = h + 1"),
    "parameter": ("h = self.bias.view(3, -1)\nh[:, 0] += lr", "h[:, 0] += lr", None, "FIP203", "@torch.no_grad()"),
    "update by hand": ("for h in self.parameters():\n    h -= lr * h.grad", "h -= lr * h.grad", None, "FIP202",
                       "@torch.no_grad()"),
    "input that is a leaf": ("h = x.detach().requires_grad_()\nh += skip\nreturn h", "h += skip", None, "FIP202",
                             "h = h + skip"),
    "chunk": ("h, s = x.chunk(2, -1)\nh.clamp_(-1, 1)\nreturn h * s", "h.clamp_(-1, 1)", None, "FIP204",
              "h = h.clamp(-1, 1)"),
    "numpy": ("a = h.detach().numpy()\ny = h.exp()\na /= a.max()\nreturn y", "a /= a.max()", "h.exp()", "FIP302",
              "a = h.detach().numpy().copy()"),
}  # fmt: skip


@pytest.mark.parametrize("name", FIRST)
def test_what_is_tried_first(name: str):
    body, write, save, rule, first = FIRST[name]
    text = function(body)
    found = proposed(text, offence(text, write, save, rule))
    added = patched(text, found[0])
    assert first in added or (rule in ("FIP202", "FIP203") and added[-1:] == [first]), added


LATER = {
    "result": ("h = x.exp()\nh += skip\nreturn h", "h += skip", "x.exp()", "", "ExpBackward0", "h = x.exp().clone()"),
    "operand in brackets": ("y = (h + 1) * x\nh += skip\nreturn y", "h += skip", "(h + 1) * x", "", "",
                            "y = (h + 1) * x"),
    "alias": ("a = h.detach().numpy()\ny = h.exp()\na /= a.max()\nreturn y", "a /= a.max()", "h.exp()", "FIP302", "",
              "y = h.clone().exp()"),
    "rows": ("for h in x:\n    h.sub_(skip)\nreturn x", "h.sub_(skip)", None, "FIP204", "", "x = torch.stack(x_rows)"),
    "rows with others": ("for i, (h, m) in enumerate(zip(x, skip)):\n    h.sub_(m).div_(2)\nreturn x", "h.sub_(m)",
                         None,
                         "FIP204", "", "x = torch.stack(x_rows)"),
    "no grad for a leaf": ("h = x.detach().requires_grad_()\nh += skip\nreturn h", "h += skip", None, "FIP202", "",
                           "with torch.no_grad():"),
    "inference": ("with torch.inference_mode():\n    h = x * 2\nreturn act(h)", "h = x * 2", None, "FIP205", "",
                  "with torch.no_grad():"),
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in LATER if name != "operand in brackets"])
def test_what_is_tried_too(name: str):
    body, write, save, rule, node, line = LATER[name]
    text = function(body)
    found = [patched(text, each) for each in proposed(text, offence(text, write, save, rule, node))]
    assert any(line in added for added in found), found


def test_a_sum_is_no_operand_that_shares_the_memory():
    body, write, save, rule, node, _ = LATER["operand in brackets"]
    text = function(body)
    added = [patched(text, each) for each in proposed(text, offence(text, write, save, rule, node))]
    assert added == [["h = h + skip"]]


def kept_by_a_call(argument: str, held: tuple[str, ...]) -> list[list[str]]:
    """What is proposed to be cloned in the call of a function, in which an attribute of its argument is kept."""
    text = (
        HEAD + f"def kept(net):\n    return net.w.exp()\n\n\ndef f(net, p):\n    y = kept({argument})\n    p.mul_(2)\n"
    )
    one = offence(text, "p.mul_(2)", "net.w.exp()", "FIP301")
    program = code(text)
    saved, call = place(program, "net.w.exp()"), place(program, f"kept({argument})@{1 + (argument == 'net')}")
    assert one.save is not None
    one = replace(
        one,
        save=replace(one.save, stack=(saved, call), names=held),
        writes=(replace(one.writes[0], names=held),),
    )
    return [patched(text, each) for each in proposed(text, one) if each.repair == "clone-argument"]


def test_an_object_that_holds_the_memory_is_no_argument_to_clone():
    assert kept_by_a_call("net", ("net.w",)) == []
    assert kept_by_a_call("net", ("net",)) == [["y = kept(net.clone())"]]
    assert kept_by_a_call("net.w", ("net.w",)) == [["y = kept(net.w.clone())"]]


GIVEN = {
    "a helper": ("def clip(h, top):\n    h.clamp_(max=top)\n    return h", "skip = clip(x, lr)", "x", 36),
    "a name that says it": ("def clip_(h, top):\n    return h.clamp_(max=top)", "skip = clip_(x, lr)", "x", 8),
    "by name": ("def clip(h, top):\n    return h.clamp_(max=top)", "skip = clip(top=lr, h=x)", "x", 36),
    "a view": ("def clip(h, top):\n    return h[:, 0].clamp_(max=top)", "skip = clip(x[0], lr)", "x[0]", 36),
    "a method": ("def clip(self, h):\n    return h.clamp_(max=1)", "skip = act.clip(x)", "x", 36),
    "augmented before": ("def clip(h, top):\n    h += 1\n    return h.clamp_(max=top)", "skip = clip(x, lr)", "x", 36),
    "a result that is passed on": ("def clip(h, top):\n    return h.clamp_(max=top)", "act.add(clip(x, lr))", "x", 36),
    "a result that nobody takes": ("def clip_(h, top):\n    return h.clamp_(max=top)", "clip_(x, lr)", "", 0),
    "bound anew": ("def clip(h, top):\n    h = h[0]\n    return h.clamp_(max=top)", "skip = clip(x, lr)", "", 0),
    "no parameter": ("def clip(top):\n    return h.clamp_(max=top)", "skip = clip(x)", "", 0),
    "unpacked": ("def clip(top, h):\n    return h.clamp_(max=top)", "skip = clip(*act, x)", "", 0),
    "a copy already": ("def clip(h, top):\n    return h.clamp_(max=top)", "skip = clip(x.clone(), lr)", "", 0),
}


@pytest.mark.parametrize("name", GIVEN)
def test_what_is_written_by_a_call_is_copied_where_it_is_given(name: str):
    """What was saved stays, and so does what the function promises to its other callers."""
    helper, line, argument, rank = GIVEN[name]
    text = function(f"y = x.exp()\n{line}\nreturn y * skip").replace("def f(", f"{helper}\n\n\ndef f(")
    write = next(each.strip().removeprefix("return ") for each in helper.split("\n") if "clamp_" in each)
    one, call = (
        offence(text, write, "x.exp()"),
        place(code(text), line.removeprefix("skip = ").replace("act.add(clip(x, lr))", "clip(x, lr)")),
    )
    own = replace(one, writes=(replace(one.writes[0], stack=(*one.writes[0].stack, call)),))
    found = [each for each in proposed(text, own) if each.repair == "clone-given"]

    cloned = line.replace(f"{argument})", f"{argument}.clone())").replace(f"{argument},", f"{argument}.clone(),")
    assert [patched(text, each) for each in found] == ([[cloned]] if argument else [])
    assert [each.rank for each in found] == ([rank] if argument else [])
    parameter = replace(own, rule="FIP202")
    assert "clone-given" not in {each.repair for each in proposed(text, parameter)}


def test_what_is_written_is_followed_through_several_calls():
    inner = "def clip(h):\n    return h.clamp_(max=1)\n\n\ndef bound(v, n):\n    w = clip(v)\n    return w"
    text = function("y = x.exp()\nskip = bound(x, lr)\nreturn y * skip").replace("def f(", f"{inner}\n\n\ndef f(")
    one = offence(text, "h.clamp_(max=1)", "x.exp()")
    calls = tuple(place(code(text), each) for each in ("clip(v)", "bound(x, lr)"))
    own = replace(one, writes=(replace(one.writes[0], stack=(*one.writes[0].stack, *calls)),))
    found = [patched(text, each) for each in proposed(text, own) if each.repair == "clone-given"]

    assert found == [["w = clip(v.clone())"], ["skip = bound(x.clone(), lr)"]]


MODULES = {
    "built here": ("self.act = nn.ReLU(inplace=True)\nh = x.exp()\nreturn self.act(h)", "self.act(h)",
                   "nn.ReLU(inplace=True)", "self.act = nn.ReLU()"),
    "computed flag": ("self.act = nn.ReLU(inplace=lr)\nh = x.exp()\nreturn self.act(h)", "self.act(h)",
                      "nn.ReLU(inplace=lr)", "self.act = nn.ReLU(inplace=False)"),
    "set in a loop": ("self.act = nn.ReLU()\nfor m in self.modules():\n    m.inplace = True\nh = x.exp()\n"
                      "return self.act(h)", "self.act(h)", "nn.ReLU()", "m.inplace = False"),
}  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_flags_are_switched_off_where_they_were_switched_on(name: str):
    body, write, built, line = MODULES[name]
    text = function(body)
    found = [patched(text, each) for each in proposed(text, offence(text, write, "x.exp()", built=built))]
    assert [line] in found, found


def test_other_modules_of_the_statement_stay_as_they_are():
    acts = "nn.Sequential(\n    nn.ReLU(inplace=True),\n    nn.ELU(inplace=True),\n)"
    text = function(f"self.act = {acts}\nh = x.exp()\nreturn self.act(h)")
    one = offence(text, "self.act(h)", "x.exp()", built="nn.ELU(inplace=True)")
    assert patched(text, proposed(text, one)[0]) == ["nn.ELU(),"]


def test_a_module_of_the_users_is_no_flag():
    """The innermost code that wrote is the user's: the place to edit is the write, not where the object was built."""
    text = function("act = nn.Sequential()\nh = x.exp()\nh += skip\nreturn h")
    one = offence(text, "h += skip", "x.exp()", built="nn.Sequential()")
    own = replace(one, writes=(replace(one.writes[0], stack=(place(code(text), "h += skip"),)),))
    assert patched(text, proposed(text, own)[0]) == ["h = h + skip"]


def test_neighbours_share_one_block():
    text = function("b = self.bias.view(3, -1)\nb[:, 0] += lr\nb[:, 1:] += (\n    lr\n)\nreturn b")
    some = [offence(text, write, None, "FIP203") for write in ("b[:, 0] += lr", "b[:, 1:] += (\n        lr\n    )")]
    attempt = compose({PATH: code(text)}, [proposed(text, each)[0] for each in some])
    assert attempt.rewritten[0].text == text.replace(
        "    b[:, 0] += lr\n    b[:, 1:] += (\n        lr\n    )\n",
        "    with torch.no_grad():\n        b[:, 0] += lr\n        b[:, 1:] += (\n            lr\n        )\n",
    )


def test_neighbours_at_another_depth_have_a_block_of_their_own():
    text = function("b = self.bias\nfor i in range(2):\n    b[i] = lr\nb[2].zero_()\nreturn b")
    some = [offence(text, write, None, "FIP203") for write in ("b[i] = lr", "b[2].zero_()")]
    first = [next(p for p in proposed(text, each) if p.repair == "without-grad") for each in some]
    new = compose({PATH: code(text)}, first).rewritten[0].text
    assert (
        "        with torch.no_grad():\n            b[i] = lr\n    with torch.no_grad():\n        b[2].zero_()\n" in new
    )


def test_a_call_inside_the_users_own_module_is_the_place_to_edit():
    """The module that was running is the user's: where it was built says nothing."""
    text = function("h = x.exp()\nh = F.dropout(h, 0.1, True, True)\nreturn h", "def forward(self, x, skip):")
    one = offence(text, "F.dropout(h, 0.1, True, True)", "x.exp()", built="x.exp()")
    (write,) = one.writes
    assert write.place is not None
    own = replace(write, module="Head", place=replace(write.place, function="Head.forward"))
    assert own.origin == own.place
    assert replace(write, module="ReLU act").origin == write.built


def test_a_string_over_several_lines_keeps_its_text():
    text = function('b = self.bias\nb += len("""\na\n""")\nreturn b\n')
    (proposal, *_) = proposed(text, offence(text, 'b += len("""\n    a\n    """)', None, "FIP202"))
    added = compose({PATH: code(text)}, [proposal]).rewritten[0].text
    assert '        b += len("""\n    a\n    """)\n' in added


def test_repairs_of_the_same_text_are_not_made_together():
    text = function("h = x.exp()\nh += skip\nreturn h")
    found = proposed(text, offence(text, "h += skip", "x.exp()", node="ExpBackward0"))
    wrapped = proposed(text, offence(text, "h += skip", None, "FIP202"))
    with pytest.raises(Clash):
        compose({PATH: code(text)}, [found[0], replace(found[0], changes=found[0].changes * 2)])
    assert wrapped


def test_places_of_a_patched_text_lead_back():
    text = function("h = x.exp()\nh += skip\ng = h.sin()\ng += 1\nreturn g")
    first = proposed(text, offence(text, "h += skip", "x.exp()"))[0]
    attempt = compose({PATH: code(text)}, [replace(first, changes=first.changes)])
    new = code(attempt.rewritten[0].text)
    later = offence(attempt.rewritten[0].text, "g += 1", "h.sin()")
    moved = back(later, attempt)
    assert moved.writes[0].place == place(code(text), "g += 1")
    inside = replace(later, needed=place(new, "h + skip"))
    there = back(inside, attempt).needed
    assert there is not None
    assert there.line == place(code(text), "h += skip").line


def test_one_write_that_spoils_two_saved_tensors_is_mended_at_both():
    text = function("y = h.exp()\nz = F.linear(x, h)\nh.copy_(skip)\nreturn y + z")
    both = [offence(text, "h.copy_(skip)", save, "FIP208") for save in ("h.exp()", "F.linear(x, h)")]
    program = code(text)
    (culprit,) = culprits(both, lambda path: program)
    added = [patched(text, each) for each in culprit.proposals]
    assert ["y = h.clone().exp()", "z = F.linear(x, h.clone())"] in added


def test_a_place_outside_of_the_users_code_has_no_proposal():
    text = function("h = x.exp()\nh += skip\nreturn h")
    one = offence(text, "h += skip", "x.exp()")
    elsewhere = Place("/lib/other.py", 3, 1, 3, 4)
    far = replace(one, writes=(replace(one.writes[0], place=elsewhere, stack=(elsewhere,)),), save=None)
    assert proposed(text, far) == []


INNER = "fast = [w.clone() for w in x]\nfor w, g in zip(fast, skip):\n    w.sub_(lr * g)\nreturn act(fast)"
NAMED = INNER.replace("[w.clone() for w in x]", "{k: w.clone() for k, w in x.items()}")
COLLECTED = {
    "a list": (INNER, "fast = [w.sub(lr * g) for w, g in zip(fast, skip)]"),
    "the list itself": (INNER.replace("w, g in zip(fast, skip)", "w in fast").replace(" * g", ""),
                        "fast = [w.sub(lr) for w in fast]"),
    "values": (NAMED.replace("zip(fast,", "zip(fast.values(),"),
               "fast = {name: w.sub(lr * g) for (name, w), g in zip(fast.items(), skip)}"),
    "items": (NAMED.replace("w, g in zip(fast, skip)", "k, w in fast.items()").replace(" * g", " * skip[k]"),
              "fast = {k: w.sub(lr * skip[k]) for k, w in fast.items()}"),
    "augmented": (INNER.replace("w.sub_(lr * g)", "w -= lr * g"), "fast = [w - lr * g for w, g in zip(fast, skip)]"),
    "an argument of the function": (INNER.replace("fast = [w.clone() for w in x]\n", "").replace("fast", "x"),
                                    "x = [w.sub(lr * g) for w, g in zip(x, skip)]"),
    "what a call gives": (INNER.replace("[w.clone() for w in x]", "act(x)"),
                          "fast = [w.sub(lr * g) for w, g in zip(fast, skip)]"),
    "what a call gives, bound again": (INNER.replace("[w.clone() for w in x]", "act(x)\nfast = fast or x"), ""),
    "an argument bound anew": (INNER.replace("fast = [w.clone() for w in x]", "x = act(x)").replace("fast", "x"), ""),
    "a second name for a list": (INNER.replace("[w.clone() for w in x]", "x"), ""),
    "more than the write": (INNER.replace("    w.sub_(lr * g)", "    w.sub_(lr * g)\n    act(w)"), ""),
    "read behind the loop": (INNER.replace("act(fast)", "act(fast, w)"), ""),
    "a comment": (INNER.replace("skip):", "skip):  # one step"), ""),
}  # fmt: skip


@pytest.mark.parametrize("name", COLLECTED)
def test_a_collection_whose_items_a_loop_writes_is_made_anew(name: str):
    body, line = COLLECTED[name]
    text = function(body)
    write = "w -= lr * g" if "w -=" in body else body[body.index("w.sub_") :].split("\n")[0]
    found = [each for each in proposed(text, offence(text, write, None)) if each.repair == "collect-items"]

    assert [patched(text, each) for each in found] == ([[line]] if line else [])
    assert all(bool(each.caveats) is (name in ("an argument of the function", "what a call gives")) for each in found)


def test_weights_of_an_inner_step_are_a_choice():
    """They are another program than one that writes the parameters, which torch refuses."""
    text = function(COLLECTED["augmented"][0])
    one = offence(text, "w -= lr * g", None, "FIP202")
    patches = [each.repair for each in proposed(text, one)]
    program = code(text)
    (culprit,) = culprits([one], lambda path: program)
    (choice,) = culprit.of(Tier.CHOOSE)

    assert patches[0] == "without-grad" and "collect-items" not in patches
    assert patched(text, choice) == [COLLECTED["augmented"][1]] and "gradients go back" in choice.meaning


PIECES = "for h in x.unbind(1):\n    h.sub_(lr)\nreturn x"
ROWS = {
    "unbind": (PIECES.replace("(1)", "()"), ["x = torch.stack(x_rows)"]),
    "along a dimension": (PIECES, ["x = torch.stack(x_rows, 1)"]),
    "from behind": (PIECES.replace("(1)", "(-1)"), ["x = torch.stack(x_rows, -1)"]),
    "by name": (PIECES.replace("(1)", "(dim=1)"), ["x = torch.stack(x_rows, dim=1)"]),
    "the function": (PIECES.replace("x.unbind(1)", "torch.unbind(x, 1)"), ["x = torch.stack(x_rows, 1)"]),
    "the function, by name": (PIECES.replace("x.unbind(1)", "torch.unbind(x, dim=2)"),
                              ["x = torch.stack(x_rows, dim=2)"]),
    "counted": (PIECES.replace("h in x.unbind(1)", "i, h in enumerate(x.unbind(1))").replace("(lr)", "(lr[i])"),
                ["x = torch.stack(x_rows, 1)"]),
    "of several, the one that is written": (
        PIECES.replace("h in x.unbind(1)", "h, m, s in zip(x.unbind(1), skip, lr)").replace("(lr)", "(m).div_(s)"),
        ["x = torch.stack(x_rows, 1)"]),
    "of several, the last": (PIECES.replace("h in x.unbind(1)", "m, h in zip(skip, x)").replace("sub_(lr)", "mul_(m)"),
                             ["x = torch.stack(x_rows)"]),
    "augmented": (PIECES.replace("h in x.unbind(1)", "h, m in zip(x.unbind(1), skip)").replace(".sub_(lr)", " -= m"),
                  ["x = torch.stack(x_rows, 1)"]),
    "a dimension that may change": (PIECES.replace("(1)", "(lr)"), []),
    "other pieces": (PIECES.replace("unbind", "chunk"), []),
    "a loop that is left": (PIECES.replace("h.sub_(lr)\n", "h.sub_(lr)\n    break\n"), []),
    "two statements in one line": (PIECES.replace("h.sub_(lr)\n", "act(h); h.sub_(lr)\n"), []),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_rows_are_stacked_along_the_dimension_that_they_were_taken_from(name: str):
    body, lines = ROWS[name]
    text = function(body)
    write = next(line.strip() for line in body.split("\n")[1:]).removeprefix("act(h); ")
    found = [each for each in proposed(text, offence(text, write, None, "FIP204")) if "stacked" in each.title]

    assert [[line for line in patched(text, each) if "stack" in line] for each in found] == [lines] * len(lines)
    assert all("x_rows.append(h)" in patched(text, each) for each in found)


PARTS = "for h in x.split(4, dim=1):\n    h.sub_(lr)\nreturn x"
JOINED = {
    "split": (PARTS, ["x = torch.cat(x_parts, dim=1)"]),
    "the first dimension": (PARTS.replace(", dim=1", ""), ["x = torch.cat(x_parts)"]),
    "by place": (PARTS.replace("dim=1", "-1"), ["x = torch.cat(x_parts, -1)"]),
    "chunk": (PARTS.replace("split(4,", "chunk(chunks=4,"), ["x = torch.cat(x_parts, dim=1)"]),
    "the function": (PARTS.replace("x.split(4,", "torch.tensor_split(x, 2,"), ["x = torch.cat(x_parts, dim=1)"]),
    "counted": (PARTS.replace("h in x.split(4, dim=1)", "i, h in enumerate(x.split(lr, 2))"),
                ["x = torch.cat(x_parts, 2)"]),
    "a dimension that may change": (PARTS.replace("dim=1", "dim=lr"), []),
    "overlapping windows": (PARTS.replace("split(4, dim=1)", "unfold(1, 4, 1)"), []),
}  # fmt: skip


@pytest.mark.parametrize("name", JOINED)
def test_parts_are_joined_along_the_dimension_that_they_were_taken_from(name: str):
    body, lines = JOINED[name]
    text = function(body)
    found = [each for each in proposed(text, offence(text, "h.sub_(lr)", None, "FIP204")) if each.rank < 22]
    joined = [[line for line in patched(text, each) if "torch." in line] for each in found if "joined" in each.title]

    assert joined == [lines] * len(lines)
    assert not any("written as" in each.title for each in found)


TWO = "for h in x:\n    h.sub_(h.mean())\n    act(h)\n    h /= lr\nreturn x"
WRITES = {
    "all out of place": (TWO, ["h = h.sub(h.mean())", "h = h / lr"]),
    "in a branch": (TWO.replace("act(h)", "if lr:\n        h.mul_(2)"),
                    ["h = h.sub(h.mean())", "h = h.mul(2)", "h = h / lr"]),
    "another tensor's": (TWO.replace("h /= lr", "skip /= lr"), ["h = h.sub(h.mean())"]),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITES)
def test_all_writes_of_a_row_are_made_anew_together(name: str):
    body, lines = WRITES[name]
    text = function(body)
    found = [p for p in proposed(text, offence(text, "h.sub_(h.mean())", None, "FIP204")) if p.repair == "collect-rows"]
    first = found[0] if len(lines) > 1 else found[-1]

    assert patched(text, first) == ["x_rows = []", *lines, "x_rows.append(h)", "x = torch.stack(x_rows)"]


KEPT = "rows = x.unbind()\nnew = []\nfor h in rows:\n    h /= lr\n    new.append(h)\nreturn new"
DONE = {
    "nothing": (KEPT, True),
    "the tuple": (KEPT.replace("return new", "return rows"), False),
    "a function": (KEPT.replace("return new", "return lambda: rows"), False),
    "the loop": (KEPT.replace("new.append(h)", "new.append(rows)"), False),
    "a module": ("global rows\n" + KEPT, False),
}


@pytest.mark.parametrize("name", DONE)
def test_new_rows_that_nobody_joins_are_not_joined(name: str):
    body, done = DONE[name]
    text = function(body)
    found = [p for p in proposed(text, offence(text, "h /= lr", None, "FIP204")) if p.repair == "collect-rows"]

    assert [patched(text, each) for each in found if "made anew" in each.title] == [["h = h / lr"]] * done
    assert any("stacked" in each.title for each in found) is not done


BY_HAND = "def f(net, rows):\n    for row in rows:\n        net.weight[row] = 0\n    net.bias.zero_()\n"
DECORATED = {
    "nothing but writes": (BY_HAND, True),
    "with a docstring and a condition": (
        '@keep\ndef f(net, rows):\n    """Zero."""\n    if rows:\n        net.weight[row] = 0\n    net.bias.zero_()\n',
        True,
    ),
    "something else is computed": (BY_HAND.replace("    net.bias", "    total = net.bias.sum()\n    net.bias"), False),
    "a view that is named": (BY_HAND.replace("    net.bias", "    bias = net.bias.view(2, -1)[0]\n    net.bias"), True),
    "initialisers": (BY_HAND + "    nn.init.zeros_(net.last)\n", True),
    "a result": (BY_HAND + "    return net\n", False),
    "neighbours": (BY_HAND.replace("    for row in rows:\n    ", ""), True),
    "a number": (BY_HAND + "    return float(net.bias.max())\n", True),
    "gradients dropped": (BY_HAND + "    net.bias.grad = None\n", True),
    "a sum with a history": (BY_HAND + "    return net.bias.sum()\n", False),
    "a part that is looked up": (
        BY_HAND.replace("    for row", "    part = net.get_submodule('a')\n    for row"),
        True,
    ),
    "a part that is called": (BY_HAND.replace("    for row", "    part = net.forward('a')\n    for row"), False),
    "a counter": (BY_HAND + "    net.steps += 1\n", True),
    "a sum that grows": (BY_HAND + "    net.total += net.bias\n", False),
    "the smaller number": (
        BY_HAND.replace("    for row", "    d = min(net.most, 1 / (2 + len(rows)))\n    for row"),
        True,
    ),
    "the smaller of two that are computed": (
        BY_HAND.replace("    for row", "    d = min(net.most * 2, len(rows))\n    for row"),
        False,
    ),
    "a coroutine": (f"async {BY_HAND}", False),
}


@pytest.mark.parametrize("name", DECORATED)
def test_a_function_of_writes_by_hand_alone_is_decorated(name: str):
    body, wanted = DECORATED[name]
    text = HEAD + body
    first = offence(text, "net.weight[row] = 0", None, "FIP203")
    second = offence(text, "net.bias.zero_()", None, "FIP202")
    both = [next(p for p in proposed(text, one) if p.repair == "without-grad") for one in (first, second)]

    new = compose({PATH: code(text)}, both).rewritten[0].text

    assert ("@torch.no_grad()\n" in new) is wanted, new
    assert ("with torch.no_grad():" in new) is not wanted
    assert not wanted or text.replace("def f(", "@torch.no_grad()\ndef f(") == new
    alone = compose({PATH: code(text)}, both[:1]).rewritten[0].text
    assert "@torch.no_grad()" not in alone and "with torch.no_grad():" in alone


SEVERAL = (
    "def f(head):\n    b = head.bias.view(3, -1)\n    b[:, 0] += 1\n    b[:, 1] = 0\n    head.bias = nn.Parameter(b)\n"
)
DETACHED = {
    "two stores": (SEVERAL, "    b = head.bias.detach().view(3, -1)\n"),
    "a slice": (SEVERAL.replace(".view(3, -1)", "[1:]"), "    b = head.bias.detach()[1:]\n"),
    "one store": (SEVERAL.replace("    b[:, 1] = 0\n", ""), ""),
    "bound twice": (SEVERAL.replace("    b[:, 1]", "    b = b * 1\n    b[:, 1]"), ""),
    "view of a name": (SEVERAL.replace("head.bias.view", "head.view"), ""),
}


@pytest.mark.parametrize("name", DETACHED)
def test_several_writes_through_one_view_need_one_detach(name: str):
    body, line = DETACHED[name]
    one = replace(offence(HEAD + body, "b[:, 0] += 1", None, "FIP203"), note="it is the parameter `head.bias`")

    found = [each for each in proposed(HEAD + body, one) if each.repair == "detached-view"]

    assert bool(found) is bool(line)
    if found:
        assert line in compose({PATH: code(HEAD + body)}, found).rewritten[0].text


def test_what_begins_with_self_is_not_shared_by_that_alone():
    text = function("y = self.norm(x) + self.memory.read()\nself.memory.h.copy_(skip)\nreturn y")
    program = code(text)
    one = offence(text, "self.memory.h.copy_(skip)", "self.norm(x) + self.memory.read()")
    (write,) = one.writes
    one = replace(one, writes=(replace(write, names=("self.memory.h",)),), save=replace(one.save, names=()))
    found = sharing(Scene(one, lambda path: program), program, program.tree.body[-1].body[0].value)

    assert [program.source_of(node) for node in found] == ["self.memory.read()"]


@pytest.mark.parametrize(
    ("op", "dtype", "result", "sentence"),
    [
        ("sigmoid", "float32", True, "sigmoid keeps its result for backward"),
        ("linalg_vector_norm", "float32", False, "linalg_vector_norm keeps what it is given for backward"),
        ("native_layer_norm", "float32", False, "native_layer_norm keeps what it is given for backward"),
        ("max", "int64", False, "max keeps its result for backward"),
        ("max", "float32", False, "max keeps what it is given for backward"),
        ("index", "int64", False, "index keeps what it is given for backward"),
    ],
)
def test_why_a_tensor_was_kept(op: str, dtype: str, result: bool, sentence: str):
    save = Save(1, op, None, dtype=dtype, result=result)

    assert reason_kept(Offence("", save, (), None, node="SomeBackward0")) == sentence


STATISTICS = {
    "of a module": ("return x + self.norm(x)", "self.norm(x)", "self.norm.running_mean", "self.norm"),
    "of one in a container": ("y = self.n(x)\nreturn y", "self.n(x)", "self.n.1.running_var", "self.n[1]"),
    "on two lines": (
        "return self.backbone_of_the_student(x)",
        "self.backbone_of_the_student(x)",
        "self.backbone_of_the_student.running_var",
        "self.backbone_of_the_student",
    ),
    "of nobody": ("y = self.body(x)\nreturn y", "self.body(x)", "an unknown tensor", None),
    "in a header": ("if self.norm(x).sum() > 0:\n    return x", "self.norm(x)", "self.norm.running_mean", None),
}


@pytest.mark.parametrize("name", STATISTICS)
def test_statistics_are_made_anew_before_they_change(name: str):
    body, write, held, owner = STATISTICS[name]
    text = function(body)
    one = offence(text, write, write, "FIP305", "NativeBatchNormBackward0")
    one = replace(one, writes=(replace(one.writes[0], names=(held,)),))
    found = [patched(text, each) for each in proposed(text, one) if each.repair == "running-stats"]

    mean, var = f"{owner}.running_mean", f"{owner}.running_var"
    assert not any(each.repair == "clone-read" for each in proposed(text, one))
    both = [f"{mean}, {var} = {mean}.clone(), {var}.clone()"]
    both = [f"{mean} = {mean}.clone()", f"{var} = {var}.clone()"] if name == "on two lines" else both
    assert found == [both] * (owner is not None)


def test_statistics_that_a_call_is_given_are_cloned_there():
    call = "F.batch_norm(x, self.running_mean, self.running_var)"
    text = function(f"y = {call}\nself.train()\nself(act)\nreturn y")
    one = offence(text, "self(act)", call, "FIP305", "NativeBatchNormBackward0")
    one = replace(one, writes=(replace(one.writes[0], names=("self.running_mean",)),))
    found = [patched(text, each) for each in proposed(text, one) if each.repair == "clone-read"]

    assert found == [["y = F.batch_norm(x, self.running_mean.clone(), self.running_var)"]]


ITEMS = {
    'self.kept["h"].div_(skip)': ['self.kept["h"] = self.kept["h"].div(skip)'],
    "self.kept[0].add_(skip)": ["self.kept[0] = self.kept[0].add(skip)"],
    "skip.last[-1].mul_(2)": ["skip.last[-1] = skip.last[-1].mul(2)"],
}


@pytest.mark.parametrize(("write", "line"), ITEMS.items(), ids=ITEMS.keys())
def test_what_lies_in_a_container_is_put_there_anew(write: str, line: list[str]):
    """A run has written a whole tensor by a subscript that no store follows: it lies in a list or a dict."""
    text = function(f"h = x.exp()\n{write}\nreturn h")
    one = offence(text, write, "x.exp()")
    part = replace(one, writes=(replace(one.writes[0], view=True),))
    whole, viewed = ([each for each in proposed(text, each) if each.repair == "out-of-place"] for each in (one, part))

    assert patched(text, whole[0]) == line
    assert not any(patched(text, each) == line for each in viewed)
