"""What must stay as it is: facts that refuse, ops without counterpart, places where nothing fits."""

from __future__ import annotations

import pytest
from rewriting import at, findings, fixed, plan, refusals

from fixinplace.model import Call, Fix, Hazard, Holder, Place, Refused, Related, Span, Usage
from fixinplace.names import REFUSALS


@pytest.mark.parametrize("name", list(REFUSALS))
def test_every_hazard_refuses_under_its_own_name(name):
    text = "x += 1\n"
    where = Related(Span(0, 1), "here")

    (finding,) = plan(text, at("x += 1", "Tensor.__iadd__", hazards=(Hazard(name, "because", (where,)),)))

    assert finding.outcome == Refused(name, "because")
    assert finding.related == (where,)


def test_the_first_hazard_counts():
    hazards = (Hazard("no-grad", "grad mode is off"), Hazard("live-alias", "somebody looks"))

    assert refusals("x += 1\n", at("x += 1", "Tensor.__iadd__", hazards=hazards)) == ["no-grad"]


def test_an_untracked_target_is_not_ours():
    assert refusals("x += 1\n", at("x += 1", "Tensor.__iadd__", tracked=False)) == ["untracked"]


@pytest.mark.parametrize(
    ("text", "code", "op", "refusal"),
    [
        pytest.param("x.frob_(1)\n", "x.frob_(1)", "Tensor.frob_", "unknown-op", id="unknown-method"),
        pytest.param("x.resize_(3)\n", "x.resize_(3)", "Tensor.resize_", "resizes", id="resize"),
        pytest.param("x.set_(y)\n", "x.set_(y)", "Tensor.set_", "resizes", id="set"),
        pytest.param("x.apply_(f)\n", "x.apply_(f)", "Tensor.apply_", "no-counterpart", id="apply"),
        pytest.param("x.data = y\n", "x.data", "Tensor.data", "state-update", id="data"),
        pytest.param("torch._foreach_add_(x, 1)\n", "torch._foreach_add_(x, 1)", "torch._foreach_add_",
                     "container-slot",
                     id="foreach"),
        pytest.param("torch.embedding_renorm_(x, i, 1, 2)\n", "torch.embedding_renorm_(x, i, 1, 2)",
                     "torch.embedding_renorm_", "state-update", id="embedding-renorm"),
    ],
)  # fmt: skip
def test_an_op_without_counterpart_is_refused(text, code, op, refusal):
    assert refusals(text, at(code, op)) == [refusal]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("r = lambda: x.sub_(1)\n", "x.sub_(1)", id="lambda"),
        pytest.param("r = lambda y: y.sum() + x.sub_(1)\n", "x.sub_(1)", id="lambda-with-another-parameter"),
        pytest.param("r = [x.sub_(1) for _ in range(2)]\n", "x.sub_(1)", id="comprehension"),
        pytest.param("r = [[x.sub_(1) for _ in y] for x in z]\n", "x.sub_(1)", id="inner-round-of-a-comprehension"),
        pytest.param("r = [x.sub_(1).sum() for _ in x]\n", "x.sub_(1)", id="the-tensor-that-the-loop-is-over"),
        pytest.param("r = [x.sub_(1).sum() for _ in y if x.sum()]\n", "x.sub_(1)", id="asked-in-each-round"),
        pytest.param("r = [x * x.sub_(1) for _ in y]\n", "x.sub_(1)", id="an-operand-of-each-round"),
        pytest.param("r = [[x.sub_(1)].pop() for _ in y]\n", "x.sub_(1)", id="in-a-list-of-each-round"),
        pytest.param("r = sum(x.sub_(1).sum() for _ in y)\n", "x.sub_(1)", id="generator"),
        pytest.param("class A:\n    r = [x.sub_(1).sum() for _ in y]\n", "x.sub_(1)", id="in-the-body-of-a-class"),
        pytest.param("assert x.sub_(1).sum() > 0\n", "x.sub_(1)", id="assert-is-not-always-run"),
    ],
)
def test_no_assignment_can_stand_before(text, code):
    assert refusals(text, at(code, "Tensor.sub_", usage=Usage.VALUE, read_later=True)) == ["no-safe-place"]


@pytest.mark.parametrize(
    ("facts", "target"),
    [
        pytest.param({"family": (Holder("y", (), live=True),)}, "x", id="another-name"),
        pytest.param({"place": Place.ATTRIBUTE}, "m.x", id="attribute"),
    ],
)
def test_a_tensor_of_several_holders_is_not_bound_within_a_line(facts, target):
    site = at(f"{target}.sub_(1)", "Tensor.sub_", target, usage=Usage.VALUE, read_later=True, **facts)

    assert refusals(f"r = c and {target}.sub_(1)\n", site) == ["no-safe-place"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("r = lambda: x.sub_(1)\n", id="lambda"),
        pytest.param("r = lambda y: x.sub_(1)\n", id="another-parameter"),
        pytest.param("r = [x.sub_(1) for y in z]\n", id="another-variable"),
        pytest.param("r = {x.sub_(1): 0 for y in z}\n", id="dict-comprehension"),
    ],
)
def test_what_runs_again_reads_its_own_result(text):
    assert refusals(text, at("x.sub_(1)", "Tensor.sub_", usage=Usage.VALUE, read_later=False)) == ["no-safe-place"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("r = y.sum() + (x, x.sub_(1))[0]\n", "x.sub_(1)", id="the-old-tensor-is-held"),
        pytest.param("r = f() + (x + x.sub_(1))\n", "x.sub_(1)", id="the-old-tensor-is-an-operand"),
        pytest.param("r = f() + f(x.view(-1), x.sub_(1))\n", "x.sub_(1)", id="a-view-is-held"),
        pytest.param("r = f() + f([x] + [y], x.sub_(1))\n", "x.sub_(1)", id="a-list-that-was-added-to-holds-it"),
        pytest.param("r = c and f(x, x.sub_(1))\n", "x.sub_(1)", id="the-old-tensor-is-an-argument"),
        pytest.param("x += f() * x.sub_(1)\n", "x.sub_(1)", id="the-old-tensor-is-added-to"),
        pytest.param("r = f((x := y), x.sub_(1))\n", "x.sub_(1)", id="bound-while-evaluated"),
        pytest.param("r = f(x.shape, x.sub_(1))\n", "x.sub_(1)", id="the-old-tensor-is-inspected"),
        pytest.param("x.sub_(x := y)\n", "x.sub_(x := y)", id="bound-in-the-argument"),
        pytest.param("r = x.mul_(2) if c else x.sub_(1)\n", "x.sub_(1)", id="not-chosen-yet"),
    ],
)
def test_something_runs_before_the_write(text, code):
    (refusal,) = refusals(text, at(code, "Tensor.sub_", usage=Usage.VALUE, read_later=True))

    assert refusal in ("evaluation-order", "no-safe-place")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("r = x.sub_(1) + x\n", id="right"),
        pytest.param("r = x + x.sub_(1)\n", id="left"),
        pytest.param("r = f(x, x.sub_(1))\n", id="one-object-twice"),
        pytest.param("r = {x: x.sub_(1)}\n", id="dict"),
    ],
)
def test_a_second_look_in_the_same_statement_counts_as_later(text):
    (finding,) = plan(text, at("x.sub_(1)", "Tensor.sub_", usage=Usage.VALUE, read_later=False))

    assert fixed(text, (finding,)) == "x = x.sub(1)\n" + text.replace("x.sub_(1)", "x")


@pytest.mark.parametrize(
    ("text", "site", "refusal"),
    [
        pytest.param("x[i] = v\n", at("x[i]", "Tensor.__setitem__", place=Place.SUBSCRIPT, in_loop=True),
                     "quadratic-cost", id="loop"),
        pytest.param("x[i] += v\n", at("x[i] += v", "Tensor.__iadd__", place=Place.SUBSCRIPT, in_loop=True),
                     "quadratic-cost", id="augmented-in-loop"),
        pytest.param("x[0], x = v\n", at("x[0]", "Tensor.__setitem__", place=Place.SUBSCRIPT),
                     "evaluation-order", id="bound-in-the-same-statement"),
        pytest.param("x[i] = (x := v)\n", at("x[i]", "Tensor.__setitem__", place=Place.SUBSCRIPT),
                     "evaluation-order", id="walrus"),
        pytest.param("y = x[0] = x[1]\n", at("x[0]", "Tensor.__setitem__", place=Place.SUBSCRIPT),
                     "evaluation-order", id="a-view-of-the-old-tensor-would-stay"),
        pytest.param("x[0], y[1] = y[0], x[1]\n", at("x[0]", "Tensor.__setitem__", place=Place.SUBSCRIPT),
                     "evaluation-order", id="swap-sees-its-own-store"),
        pytest.param("x[f()] += x[1]\n", at("x[f()] += x[1]", "Tensor.__iadd__", place=Place.SUBSCRIPT),
                     "evaluation-order", id="index-before-value"),
        pytest.param("x[0].lerp_(x[1], x[2])\n",
                     at("x[0].lerp_(x[1], x[2])", "Tensor.lerp_", place=Place.SUBSCRIPT),
                     "evaluation-order", id="two-arguments-read-it"),
        pytest.param("r = x.sum() + x[0].add_(1)\n", at("x[0].add_(1)", "Tensor.add_", place=Place.SUBSCRIPT),
                     "evaluation-order", id="read-in-a-second-place"),
        pytest.param("r = f(x.copy_(x.square()))\n", at("x.copy_(x.square())", "Tensor.copy_"), "evaluation-order",
                     id="a-copy-of-what-keeps-it"),
        pytest.param("r = c and x[0].add_(1)\n", at("x[0].add_(1)", "Tensor.add_", place=Place.SUBSCRIPT),
                     "no-safe-place", id="may-run-never"),
        *(
            pytest.param(f"x[{index}].add_(1)\n", at(f"x[{index}].add_(1)", "Tensor.add_", place=Place.SUBSCRIPT),
                         "live-view", id=f"may-write-a-copy-{index}")
            for index in ("[0, 2]", "x > 0", "i", "f()", "0, i", "True")
        ),
        pytest.param("x[0]: int = v\n", at("x[0]", "Tensor.__setitem__", place=Place.SUBSCRIPT),
                     "no-safe-place", id="annotated"),
        pytest.param("f()[0] = v\n", at("f()[0]", "Tensor.__setitem__", "f()", place=Place.TEMPORARY),
                     "not-assignable", id="temporary"),
        pytest.param("d['k'][0] = v\n", at("d['k'][0]", "Tensor.__setitem__", "d['k']", place=Place.SUBSCRIPT),
                     "not-assignable", id="no-name"),
    ],
)  # fmt: skip
def test_stores_that_a_clone_before_does_not_make_right(text, site, refusal):
    assert refusals(text, site) == [refusal]


@pytest.mark.parametrize(
    ("text", "site", "refusal"),
    [
        pytest.param("x.view(-1).add_(1)\n",
                     at("x.view(-1).add_(1)", "Tensor.add_", "x.view(-1)", place=Place.TEMPORARY),
                     "not-assignable", id="statement-on-a-view"),
        pytest.param("f(x).add_(1)\n", at("f(x).add_(1)", "Tensor.add_", "f(x)", place=Place.TEMPORARY),
                     "not-assignable", id="statement-on-a-result"),
        pytest.param("r = f(x).eq_(1)\n", at("f(x).eq_(1)", "Tensor.eq_", "f(x)", place=Place.TEMPORARY),
                     "dtype-may-change", id="cast-to-the-dtype-of-a-temporary"),
        pytest.param("r = f(x).add_(y)\n", at("f(x).add_(y)", "Tensor.add_", "f(x)", place=Place.TEMPORARY, mixed=True),
                     "dtype-may-change", id="mixed-dtypes-on-a-temporary"),
        pytest.param("x.T.add_(1)\n", at("x.T.add_(1)", "Tensor.add_", "x.T", place=Place.ATTRIBUTE),
                     "live-view", id="transposed"),
        pytest.param("Tensor.add_(x, 1)\n", at("Tensor.add_(x, 1)", "Tensor.add_"), "no-safe-place",
                     id="unbound-method"),
            pytest.param("r = f(x).copy_(y)\n", at("f(x).copy_(y)", "Tensor.copy_", "f(x)", place=Place.TEMPORARY),
                     "not-assignable", id="copy-into-a-temporary"),
        pytest.param("x.logical_not_()\n", at("x.logical_not_()", "Tensor.logical_not_"), "no-counterpart",
                     id="not-recorded-by-autograd"),
        pytest.param("x.copy_(0.5)\n", at("x.copy_(0.5)", "Tensor.copy_", in_loop=True), "no-counterpart",
                     id="copy-of-a-number"),
        *(
            pytest.param(f"r = {code}\n", at(code, f"Tensor.{op}", "?", place=Place.TEMPORARY), "finished", id=code)
            for code, op in (
                ("x.clone().fill_diagonal_(1)", "fill_diagonal_"),
                ("torch.empty(3).fill_(v)", "fill_"),
                ("torch.empty_like(x).normal_()", "normal_"),
                ("x.new_zeros(3).add_(y)", "add_"),
                ("x.clone().mul_(2)", "mul_"),
            )
        ),
    ],
)  # fmt: skip
def test_methods_that_stay(text, site, refusal):
    assert refusals(text, site) == [refusal]


@pytest.mark.parametrize(
    ("text", "site", "refusal"),
    [
        pytest.param("F.relu(x, inplace=flag)\n",
                     at("F.relu(x, inplace=flag)", "torch.nn.functional.relu(inplace=)"), "unknown-op", id="variable"),
        pytest.param("F.relu(x, inplace=not y)\n",
                     at("F.relu(x, inplace=not y)", "torch.nn.functional.relu(inplace=)"), "unknown-op",
                     id="expression"),
        pytest.param("F.relu(x, **options)\n",
                     at("F.relu(x, **options)", "torch.nn.functional.relu(inplace=)"), "unknown-op", id="options"),
        pytest.param("m = nn.ReLU(flag)\n",
                     at("nn.ReLU(flag)", "torch.nn.ReLU(inplace=)", "m"), "unknown-op", id="module-flag-variable"),
        pytest.param("m.inplace = flag\n",
                     at("m.inplace", "torch.nn.Module.inplace", "m", place=Place.ATTRIBUTE), "unknown-op",
                     id="attribute-variable"),
        pytest.param("m.inplace = m.other = True\n",
                     at("m.inplace", "torch.nn.Module.inplace", "m", place=Place.ATTRIBUTE), "no-safe-place",
                     id="sets-more-than-the-flag"),
        pytest.param("torch.add(a, b, out=x[0])\n",
                     at("torch.add(a, b, out=x[0])", "torch.add(out=)", place=Place.SUBSCRIPT), "not-assignable",
                     id="out-part"),
        pytest.param("torch.add(a, b, out=x.data)\n",
                     at("torch.add(a, b, out=x.data)", "torch.add(out=)", "x.data", place=Place.ATTRIBUTE), "live-view",
                     id="out-data"),
        pytest.param("torch.add(a, b, out=f())\n",
                     at("torch.add(a, b, out=f())", "torch.add(out=)", "f()", place=Place.TEMPORARY), "not-assignable",
                     id="out-temporary"),
        pytest.param("torch.max(a, 0, out=(v, v))\n",
                     at("torch.max(a, 0, out=(v, v))", "torch.max(out=)", "(v, v)", place=Place.TEMPORARY),
                     "not-assignable", id="out-twice-the-same"),
        pytest.param("r = g(torch.max(a, 0, out=(v, i)))\n",
                     at("torch.max(a, 0, out=(v, i))", "torch.max(out=)", "(v, i)", place=Place.TEMPORARY),
                     "no-safe-place", id="out-tuple-inside-an-expression"),
        pytest.param("elu_(x)\n", at("elu_(x)", "torch.nn.functional.elu_", torch=None), "no-counterpart",
                     id="counterpart-has-no-name-here"),
    ],
)  # fmt: skip
def test_flags_outs_and_functions_that_stay(text, site, refusal):
    assert refusals(text, site) == [refusal]


def test_a_refused_site_refuses_its_statement_and_says_whose_fault_it_is():
    text = "r = x.add_(1) + y.mul_(2)\n"
    hazard = Hazard("live-alias", "`z` is the same tensor")

    first, second = plan(text, at("x.add_(1)", "Tensor.add_"), at("y.mul_(2)", "Tensor.mul_", "y", hazards=(hazard,)))

    assert second.outcome == Refused("live-alias", "`z` is the same tensor")
    assert isinstance(first.outcome, Refused)
    assert first.outcome.refusal == "live-alias"
    assert "`y.mul_(2)` (line 1)" in first.outcome.sentence


def test_a_swap_sees_its_own_store():
    text = "x[0], y[1] = y[0], x[2]\n"
    sites = [
        at("x[0]", "Tensor.__setitem__", place=Place.SUBSCRIPT),
        at("y[1]", "Tensor.__setitem__", "y", place=Place.SUBSCRIPT),
    ]

    assert refusals(text, *sites) == ["evaluation-order", "evaluation-order"]


def test_a_chain_on_a_part_would_keep_and_overwrite_within_one_statement():
    text = "x[0].exp_().mul_(2)\n"
    sites = [
        at("x[0].exp_()", "Tensor.exp_", place=Place.SUBSCRIPT),
        at(text.strip(), "Tensor.mul_", place=Place.SUBSCRIPT),
    ]

    assert refusals(text, *sites) == ["no-counterpart", "no-counterpart"]


def test_a_neighbour_that_is_not_ours_stays_and_stops_nobody():
    text = "r = x.add_(1) + y.mul_(2)\n"

    findings = plan(text, at("x.add_(1)", "Tensor.add_"), at("y.mul_(2)", "Tensor.mul_", "y", tracked=False))

    assert fixed(text, findings) == "r = x.add(1) + y.mul_(2)\n"
    assert isinstance(findings[1].outcome, Refused)


def test_a_neighbour_that_is_not_ours_and_writes_the_same_tensor_keeps_its_place():
    text = "r = x.add_(1) + x.mul_(2)\n"

    first, _ = plan(text, at("x.add_(1)", "Tensor.add_"), at("x.mul_(2)", "Tensor.mul_", tracked=False))

    assert isinstance(first.outcome, Refused)
    assert first.outcome.refusal == "no-safe-place"
    assert "`x.mul_(2)` (line 1)" in first.outcome.sentence


def test_a_neighbour_that_is_not_ours_stops_the_write_of_the_same_tensor():
    text = "x.requires_grad_().add_(1)\n"

    findings = plan(text, at("x.requires_grad_()", "Tensor.requires_grad_"), at(text[:-1], "Tensor.add_"))

    assert [f.outcome.refusal for f in findings if isinstance(f.outcome, Refused)] == ["untracked", "no-safe-place"]


def test_a_module_call_that_unpacks_its_argument_refuses_the_flag():
    text = "m = nn.ReLU(inplace=True)\ny = m(*x)\n"
    start = text.index("m(*x)")
    seen = Call(Span(start, start + 5), Span(start - 4, start + 5), "x", Place.NAME, Usage.VALUE, True)
    site = at("nn.ReLU(inplace=True)", "torch.nn.ReLU(inplace=)", "m", place=Place.TEMPORARY, module_calls=(seen,))

    assert refusals(text, site) == ["no-safe-place"]


def test_finished_code_inside_a_statement_stays_and_stops_nobody():
    text = "y.add_(x.clone().exp_().mul_(2))\n"
    clone = at("x.clone().exp_()", "Tensor.exp_", "x.clone()", Place.TEMPORARY, usage=Usage.VALUE)
    kept = at("x.clone().exp_().mul_(2)", "Tensor.mul_", "x.clone()", Place.TEMPORARY, usage=Usage.VALUE)

    first, second, third = plan(text, at(text.strip(), "Tensor.add_", "y"), clone, kept)

    assert fixed(text, (first, second, third)) == "y = y.add(x.clone().exp_().mul(2))\n"
    assert second.outcome == Refused("finished", "the tensor is new, and nothing has kept it yet")


def test_a_module_call_that_writes_a_part_of_a_tensor_refuses_the_flag():
    text = "m = nn.ReLU(inplace=True)\ny = m(x[0])\n"
    call = text.index("m(x[0])")
    span = Span(call, call + len("m(x[0])"))
    statement = Span(text.index("y = "), len(text) - 1)
    seen = Call(span, statement, "x", Place.SUBSCRIPT, Usage.VALUE, True)

    site = at("nn.ReLU(inplace=True)", "torch.nn.ReLU(inplace=)", "m", place=Place.TEMPORARY, module_calls=(seen,))

    (finding,) = plan(text, site)

    assert isinstance(finding.outcome, Refused)
    assert finding.outcome.refusal == "live-view"
    assert "`y = m(x[0])` (line 2)" in finding.outcome.sentence


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_found_plans_nothing(count):
    findings = plan("x += 1\n", *[at("x += 1", "Tensor.__iadd__")] * count)

    assert len(findings) == count
    assert all(isinstance(f.outcome, Fix) for f in findings)


def test_a_view_that_is_written_is_not_bound_within_a_line():
    text = "import torch\n\n\ndef f(a: torch.Tensor):\n    x = a.exp()\n"
    text += "    r = a.sum() > 0 and x.view(-1).sub_(1).sum()\n    return x * r\n"
    (finding,) = findings(text)

    assert isinstance(finding.outcome, Refused)
    assert finding.outcome.refusal == "no-safe-place"
