"""What changes together, what a finding says, and what may be called safe."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rewriting import At, at, fixed, plan, rewritten, statement

from fixinplace import catalogue, source
from fixinplace.model import Call, Certainty, Fix, Found, Place, Refused, Span, Usage
from fixinplace.rewrite import plan as plan_found
from fixinplace.rewrite.base import Case, Effect
from fixinplace.rewrite.conditions import is_safe

MODULE = """\
class Net(nn.Module):
    def __init__(self):
        self.act = nn.ReLU(inplace=True)  # cheap
        self.net = nn.Sequential(
            nn.Linear(2, 2),
            nn.Dropout(0.5, True),
        )

    def forward(self, x):
        CALL
        return x + y
"""


def called(text, code, **given):
    """A call of an in-place module, as detection reports it."""
    start = text.index(code)
    seen = {"target": "x", "place": Place.NAME, "usage": Usage.VALUE, "read_later": False, **given}
    return Call(Span(start, start + len(code)), statement(source.Text(text), code), **seen)


def flag(*calls):
    """The flag of `self.act`, with its calls."""
    return at("nn.ReLU(inplace=True)", "torch.nn.ReLU(inplace=)", "ReLU", Place.TEMPORARY, module_calls=calls)


@pytest.mark.parametrize(
    ("before", "after", "call"),
    [
        pytest.param("self.act(x)", "x = self.act(x)", {"usage": Usage.STATEMENT}, id="statement"),
        pytest.param("y = self.act(x)", "x = y = self.act(x)", {"read_later": True}, id="read-later"),
        pytest.param("y = self.act(x)", "y = self.act(x)", {}, id="not-read-later"),
        pytest.param("x = self.act(x)", "x = self.act(x)", {"usage": Usage.REBOUND, "read_later": True}, id="rebound"),
        pytest.param("y = f(self.act(x))", "x = self.act(x)\n        y = f(x)", {"read_later": True}, id="hoisted"),
        pytest.param("y = f(self.act(x), x)", "x = self.act(x)\n        y = f(x, x)", {}, id="second-look"),
        pytest.param("y = self.act(f(x))", "y = self.act(f(x))", {"place": Place.TEMPORARY, "target": "f(x)"},
                     id="temporary"),
        pytest.param("y = self.act(x[0])", "y = self.act(x[0])", {"place": Place.SUBSCRIPT}, id="part-nobody-reads"),
    ],
)  # fmt: skip
def test_a_module_flag_changes_together_with_the_calls_that_it_writes_through(before, after, call):
    text = MODULE.replace("CALL", before)
    code = next(c for c in ("self.act(x)", "self.act(f(x))", "self.act(x[0])") if c in before)
    sites = [flag(called(text, code, **call))]

    assert rewritten(text, *sites) == MODULE.replace("CALL", after).replace("nn.ReLU(inplace=True)", "nn.ReLU()")


def test_flags_of_one_statement_have_groups_of_their_own():
    text = "m = nn.Sequential(nn.ReLU(True), nn.Dropout(0.5, inplace=True), nn.ELU(1.0, True))\n"
    relu = at("nn.ReLU(True)", "torch.nn.ReLU(inplace=)", "ReLU", Place.TEMPORARY)
    dropout = at("nn.Dropout(0.5, inplace=True)", "torch.nn.Dropout(inplace=)", "Dropout", Place.TEMPORARY)
    elu = at("nn.ELU(1.0, True)", "torch.nn.ELU(inplace=)", "ELU", Place.TEMPORARY)

    findings = plan(text, relu, dropout, elu)

    assert len({f.outcome.group for f in findings}) == 3
    assert fixed(text, findings) == "m = nn.Sequential(nn.ReLU(), nn.Dropout(0.5), nn.ELU(1.0))\n"


def test_a_positional_flag_before_other_arguments_is_switched_off():
    text = "m = nn.ReLU(True, *rest)\n"

    assert rewritten(text, at("nn.ReLU(True, *rest)", "torch.nn.ReLU(inplace=)", "m")) == "m = nn.ReLU(False, *rest)\n"


def test_a_flag_set_later():
    text = "m.inplace = True\n"

    (finding,) = plan(text, at("m.inplace", "torch.nn.Module.inplace", "m", Place.ATTRIBUTE))

    assert fixed(text, (finding,)) == "m.inplace = False\n"
    assert not finding.outcome.safe


PART = {"place": Place.SUBSCRIPT}
FIRST = at("x[0]", "Tensor.__setitem__", **PART)


@pytest.mark.parametrize(
    ("before", "after", "second"),
    [
        pytest.param("x[0] = a\nx[1] = b", "x = x.clone()\nx[0] = a\nx[1] = b", at("x[1]", "Tensor.__setitem__",
                     **PART), id="stores"),
        pytest.param("x[0] = a\nx[1] *= b", "x = x.clone()\nx[0] = a\nx[1] *= b", at("x[1] *= b", "Tensor.__imul__",
                     **PART),
                     id="operator"),
        pytest.param("x[0] = a\nb = f(a)\nx[1] = b", "x = x.clone()\nx[0] = a\nb = f(a)\nx[1] = b",
                     at("x[1]", "Tensor.__setitem__", **PART), id="something-else-between"),
        pytest.param("x[0] = x[2] * a\nx[1] = b", "value = x[2] * a\nx = x.clone()\nx[0] = value\nx[1] = b",
                     at("x[1]", "Tensor.__setitem__", **PART), id="after-a-value"),
        pytest.param("x[0] = a\nx[1] **= b", "x = x.clone()\nx[0] = a\nx = x.clone()\nx[1] **= b",
                     at("x[1] **= b", "Tensor.__ipow__", **PART), id="operator-that-keeps-its-result"),
        pytest.param("x[0] = a\ny = x * a\nx[1] = b", "x = x.clone()\nx[0] = a\ny = x * a\nx = x.clone()\nx[1] = b",
                     at("x[1]", "Tensor.__setitem__", **PART), id="read-between"),
        pytest.param("x[0] = a\nif c: pass\nx[1] = b", "x = x.clone()\nx[0] = a\nif c: pass\nx = x.clone()\nx[1] = b",
                     at("x[1]", "Tensor.__setitem__", **PART), id="branch-between"),
        pytest.param("x[0] = a\nx[f(x)] = b", "x = x.clone()\nx[0] = a\nx = x.clone()\nx[f(x)] = b",
                     at("x[f(x)]", "Tensor.__setitem__", **PART), id="index-reads-it"),
        pytest.param("x[0] = a\nx[1] = x[2] * b",
                     "x = x.clone()\nx[0] = a\nvalue = x[2] * b\nx = x.clone()\nx[1] = value",
                     at("x[1]", "Tensor.__setitem__", **PART), id="value-reads-it"),
        pytest.param("x[0] = a\nif c:\n    x[1] = b", "x = x.clone()\nx[0] = a\nif c:\n    x = x.clone()\n    x[1] = b",
                     at("x[1]", "Tensor.__setitem__", **PART), id="other-block"),
        pytest.param("x[0] = a\nx[1] = b", "x = x.clone()\nx[0] = a\nx = x.clone()\nx[1] = b",
                     at("x[1]", "Tensor.__setitem__", doubts=("who knows",), **PART), id="claims-less"),
    ],
)  # fmt: skip
def test_stores_share_a_clone_if_nothing_can_have_kept_it(before, after, second):
    assert rewritten(before, FIRST, second) == after


def test_a_store_whose_index_may_keep_the_clone_shares_it_with_nobody():
    text = "x[f(x)] = a\nx[1] = b\n"
    sites = [at(f"x[{index}]", "Tensor.__setitem__", **PART) for index in ("f(x)", "1")]

    assert rewritten(text, *sites) == "x = x.clone()\nx[f(x)] = a\nx = x.clone()\nx[1] = b\n"


def test_a_store_that_belongs_to_a_module_keeps_its_own_clone():
    text = "m = nn.ReLU(inplace=True)\nx[0] = a\nx[1] = m(y)\n"
    calls = (called(text, "m(y)", target="y"),)
    flag = at("nn.ReLU(inplace=True)", "torch.nn.ReLU(inplace=)", "m", Place.TEMPORARY, module_calls=calls)
    first, second = (at(f"x[{n}]", "Tensor.__setitem__", doubts=("who knows",), **PART) for n in (0, 1))

    findings = plan(text, flag, first, second)

    assert fixed(text, findings) == "m = nn.ReLU()\nx = x.clone()\nx[0] = a\nx = x.clone()\nx[1] = m(y)\n"
    assert findings[0].outcome.group == findings[2].outcome.group != findings[1].outcome.group


def test_a_site_in_a_call_of_a_module_belongs_to_the_flag():
    text = MODULE.replace("CALL", "y = self.act(x.mul_(2))")
    call = called(text, "self.act(x.mul_(2))", read_later=True)

    findings = plan(text, flag(call), at("x.mul_(2)", "Tensor.mul_", usage=Usage.VALUE, read_later=True))

    assert "x = y = self.act(x.mul(2))\n" in fixed(text, findings)
    assert findings[0].outcome.group == findings[1].outcome.group


def test_stores_that_share_a_clone_are_one_group():
    text = "x[0] = a\nx[1] = b\nx[2] = c\n"
    sites = [at(f"x[{n}]", "Tensor.__setitem__", assumes=(str(n),), **PART) for n in range(3)]

    outcomes = [finding.outcome for finding in plan(text, *sites)]

    assert len({(one.group, one.edits, one.assumes) for one in outcomes}) == 1
    assert outcomes[0].assumes == ("0", "1", "2")
    assert outcomes[0].safe


def test_groups_are_numbered_apart_and_findings_keep_the_order_of_the_sites():
    text = "x += 1\ny.add_(2)\nx += 3\n"
    sites = (at("x += 3", "Tensor.__iadd__"), at("y.add_(2)", "Tensor.add_", "y"), at("x += 1", "Tensor.__iadd__"))

    findings = plan(text, *sites)

    assert [f.site.span.start for f in findings] == [text.index(s.code) for s in sites]
    assert len({f.outcome.group for f in findings}) == 3


def test_sites_of_one_statement_share_edits_and_doubts():
    text = "x.mul_(a).add_(b)\n"
    inner = at("x.mul_(a)", "Tensor.mul_", doubts=("one",), parameter="p", read_later=True)
    outer = at("x.mul_(a).add_(b)", "Tensor.add_", doubts=("two", "one"), assumes=("assumes one dtype",))

    first, second = (f.outcome for f in plan(text, inner, outer))

    assert first.edits == second.edits
    assert first.doubts == second.doubts == ("one", "two")
    assert first.parameter == second.parameter == "p"
    assert first.assumes == ("assumes one dtype",)


@pytest.mark.parametrize(
    ("text", "site", "safe"),
    [
        pytest.param("x += 1", at("x += 1", "Tensor.__iadd__"), True, id="operator"),
        pytest.param("x += 1", at("x += 1", "Tensor.__iadd__", assumes=("assumes one dtype",)), True, id="assumption"),
        pytest.param("x += 1", at("x += 1", "Tensor.__iadd__", doubts=("who knows",)), False, id="doubt"),
        pytest.param("x += 1", at("x += 1", "Tensor.__iadd__", parameter="x", read_later=True), False, id="parameter"),
        pytest.param("x += 1", at("x += 1", "Tensor.__iadd__", tracked=None), False, id="maybe-tracked"),
        pytest.param("x += y", at("x += y", "Tensor.__iadd__", mixed=True), False, id="mixed"),
        pytest.param("x.add_(1)", at("x.add_(1)", "Tensor.add_"), True, id="method"),
        pytest.param("x.eq_(1)", at("x.eq_(1)", "Tensor.eq_"), False, id="comparison"),
        pytest.param("x.t_()", at("x.t_()", "Tensor.t_"), True, id="view"),
        pytest.param("torch.relu_(x)", at("torch.relu_(x)", "torch.relu_"), True, id="function"),
        pytest.param("F.relu(x, True)", at("F.relu(x, True)", "torch.nn.functional.relu(inplace=)"), True, id="flag"),
        pytest.param("F.dropout(x, inplace=True)",
                     at("F.dropout(x, inplace=True)", "torch.nn.functional.dropout(inplace=)"), True,
                     id="dropout-flag"),
        pytest.param("torch.feature_alpha_dropout_(x, 0.5, b)",
                     at("torch.feature_alpha_dropout_(x, 0.5, b)", "torch.feature_alpha_dropout_"), True,
                     id="dropout-function"),
        pytest.param("F.rrelu(x, inplace=True)",
                     at("F.rrelu(x, inplace=True)", "torch.nn.functional.rrelu(inplace=)"), False,
                     id="random-flag"),
        pytest.param("torch.add(a, b, out=x)", at("torch.add(a, b, out=x)", "torch.add(out=)"), True, id="out"),
        pytest.param("torch.eq(a, b, out=x)", at("torch.eq(a, b, out=x)", "torch.eq(out=)"), False, id="out-cast"),
        pytest.param("x.zero_()", at("x.zero_()", "Tensor.zero_"), True, id="zero"),
        pytest.param("x.fill_(2)", at("x.fill_(2)", "Tensor.fill_"), True, id="fill-number"),
        pytest.param("x.fill_(v)", at("x.fill_(v)", "Tensor.fill_"), True, id="fill"),
        pytest.param("x.copy_(y)", at("x.copy_(y)", "Tensor.copy_"), True, id="copy"),
        pytest.param("x.copy_(y)", at("x.copy_(y)", "Tensor.copy_", mixed=True), True, id="copy-of-another-dtype"),
        pytest.param("x.copy_(x.t())", at("x.copy_(x.t())", "Tensor.copy_"), False, id="copy-of-a-view-of-its-own"),
        pytest.param("x.copy_(y)", at("x.copy_(y)", "Tensor.copy_", in_loop=True), False, id="copy-in-a-loop"),
        pytest.param("x.normal_()", at("x.normal_()", "Tensor.normal_"), False, id="random"),
        pytest.param("x[0] = 1", at("x[0]", "Tensor.__setitem__", place=Place.SUBSCRIPT), True, id="clone"),
        pytest.param("x[0] = x[i]", at("x[0]", "Tensor.__setitem__", place=Place.SUBSCRIPT), False, id="view-stored"),
        pytest.param("x[0] = x[1]", at("x[0]", "Tensor.__setitem__", place=Place.SUBSCRIPT), True, id="other-row"),
        pytest.param("x[0] = -x[1]", at("x[0]", "Tensor.__setitem__", place=Place.SUBSCRIPT), True, id="new-stored"),
        pytest.param("x[0].add_(x[1])", at("x[0].add_(x[1])", "Tensor.add_", place=Place.SUBSCRIPT), True,
                     id="other-row-added"),
        pytest.param("x[0].add_(x[i])", at("x[0].add_(x[i])", "Tensor.add_", place=Place.SUBSCRIPT), False,
                     id="view-added"),
        pytest.param("x[m] = 1", at("x[m]", "Tensor.__setitem__", place=Place.SUBSCRIPT, mask=True, scalar=True), True,
                     id="masked-fill"),
        pytest.param("x[m] = y[m]", at("x[m]", "Tensor.__setitem__", place=Place.SUBSCRIPT, mask=True), False,
                     id="where"),
        pytest.param("m = nn.ReLU(True)",
                     at("nn.ReLU(True)", "torch.nn.ReLU(inplace=)", "m", Place.TEMPORARY), False, id="module"),
    ],
)  # fmt: skip
def test_what_is_safe(text, site, safe):
    (finding,) = plan(text + "\n", site)

    assert isinstance(finding.outcome, Fix)
    assert finding.outcome.safe is safe


@pytest.mark.parametrize(
    ("certainty", "safe"), [(Certainty.GUESSED, False), (Certainty.TYPED, True), (Certainty.RAN, True)]
)
def test_a_guess_is_never_safe(certainty, safe):
    (finding,) = plan("x += 1\n", at("x += 1", "Tensor.__iadd__"))
    site = finding.site
    moved = type(site)(site.rule, site.op, site.target, site.span, site.statement, site.function, certainty)

    case = Case(Found(moved, at("x += 1", "").facts), catalogue.writer("Tensor.__iadd__"), "x")

    assert is_safe(case, exact=True, effect=Effect.REBIND) is safe


def test_a_statement_is_as_safe_as_its_least_safe_site():
    text = "x.mul_(a).eq_(b)\n"

    findings = plan(text, at("x.mul_(a)", "Tensor.mul_"), at("x.mul_(a).eq_(b)", "Tensor.eq_"))

    assert [f.outcome.safe for f in findings] == [False, False]


@pytest.mark.parametrize(
    ("text", "site", "message", "title", "cost"),
    [
        pytest.param("h += skip\n", at("h += skip", "Tensor.__iadd__", "h"), "`h += skip` overwrites `h`",
                     "rewrite as `h = h + skip`", "one more tensor of `h`'s size is alive", id="operator"),
        pytest.param("h[0] = 1\n", at("h[0]", "Tensor.__setitem__", "h", Place.SUBSCRIPT),
                     "`h[0] = 1` overwrites part of `h`", "rewrite as `h = h.clone(); h[0] = 1`",
                     "one copy of `h`", id="store"),
        pytest.param("m = nn.ReLU(True)\n", at("nn.ReLU(True)", "torch.nn.ReLU(inplace=)", "m", Place.TEMPORARY),
                     "`nn.ReLU(True)` makes a module that overwrites what it is called with",
                     "rewrite as `m = nn.ReLU()`",
                     "one more activation is alive at each call", id="module"),
        pytest.param("m.inplace = True\n", at("m.inplace", "torch.nn.Module.inplace", "m", Place.ATTRIBUTE),
                     "`m.inplace = True` makes the module overwrite what it is called with",
                     "rewrite as `m.inplace = False`", "one more activation is alive at each call", id="attribute"),
        pytest.param("h.t_()\n", at("h.t_()", "Tensor.t_", "h"), "`h.t_()` changes `h` itself, for all who hold it",
                     "rewrite as `h = h.t()`", "none: the new `h` is a view", id="view"),
        pytest.param("r = f(h).relu_()\n",
                     at("f(h).relu_()", "Tensor.relu_", "f(h)", Place.TEMPORARY, usage=Usage.VALUE),
                     "`f(h).relu_()` overwrites a tensor without a name", "rewrite as `r = f(h).relu()`",
                     "one more tensor of the result's size is alive", id="temporary"),
        pytest.param(f"h += {'a' * 80}\n", at(f"h += {'a' * 80}", "Tensor.__iadd__",
                     "h"), f"`h += {'a' * 52}...` overwrites `h`",
                     f"rewrite as `h = h + {'a' * 49}...`", "one more tensor of `h`'s size is alive", id="long"),
        pytest.param("h += (\n    a)\n", at("h += (\n    a)", "Tensor.__iadd__", "h"), "`h += (...` overwrites `h`",
                     "rewrite as `h = h + (...`", "one more tensor of `h`'s size is alive", id="lines"),
        pytest.param("d = {\n    'a': f(h),\n    'b': f(h).exp_(),\n}\n",
                     at("f(h).exp_()", "Tensor.exp_", "f(h)", Place.TEMPORARY, usage=Usage.VALUE),
                     "`f(h).exp_()` overwrites a tensor without a name", "rewrite as `'b': f(h).exp(),...`",
                     "one more tensor of the result's size is alive", id="line within"),
    ],
)  # fmt: skip
def test_what_a_finding_says(text, site, message, title, cost):
    (finding,) = plan(text, site)

    assert finding.message == message
    assert finding.outcome.title == title
    assert finding.cost == cost


def test_a_data_write_is_explained():
    (finding,) = plan("w.data = y\n", at("w.data", "Tensor.data", "w.data", Place.ATTRIBUTE))

    assert finding.message == "`w.data = y` writes behind autograd's back"
    assert isinstance(finding.outcome, Refused)


def test_planning_needs_neither_torch_nor_found_sites():
    assert plan_found(source.Text("x += 1\n"), ()) == ()


@pytest.mark.parametrize(
    ("text", "one"),
    [
        ("x += 1", at("x += 1", "Tensor.__iadd__", parameter="x")),
        ("x.mul_(2)", at("x.mul_(2)", "Tensor.mul_", parameter="x")),
        ("x[0] = 1", at("x[0] = 1", "Tensor.__setitem__", place=Place.SUBSCRIPT, parameter="x")),
    ],
)
def test_what_only_the_caller_reads_stays(text: str, one: At):
    """A new tensor under the argument's name would be lost, and the caller would keep the old values."""
    ((refused,), (read,)) = (
        [f.outcome for f in plan(text, replace(one, facts=replace(one.facts, lost=not later, read_later=later)))]
        for later in (False, True)
    )

    assert isinstance(refused, Refused)
    assert refused.refusal == "caller-may-see"
    assert isinstance(read, Fix)
