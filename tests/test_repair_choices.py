"""Repairs with several meanings: what is proposed, that it ends the error, and that each meaning is true."""

from __future__ import annotations

import difflib
from dataclasses import replace

import pytest
import torch
from choice_programs import PROGRAMS
from choosing import PATH, Program, Record, equal, of, program, run, traced
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from fixinplace.repair.base import Proposal, Tier, repairs
from fixinplace.trace.events import Place

NAMES = sorted(PROGRAMS)
CHOICES = [
    pytest.param(PROGRAMS[name], proposal, id=f"{name}-{number}")
    for name in NAMES
    for number, proposal in enumerate(of(Tier.CHOOSE, PROGRAMS[name].proposals()))
]


class TextExtension(SingleFileSnapshotExtension):
    _write_mode = WriteMode.TEXT
    file_extension = "txt"


def shown(one: Program, proposal: Proposal) -> str:
    """A proposal as its title, its meaning and its diff."""
    lines = [proposal.title, proposal.meaning]
    if proposal.changes:
        before, after = one.text.splitlines(), one.patched(proposal).splitlines()
        lines += [row for row in difflib.unified_diff(before, after, lineterm="", n=1) if row[:3] not in ("---", "+++")]
    return "\n".join(lines)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_proposed(name: str, snapshot: SnapshotAssertion):
    one = PROGRAMS[name]

    assert "\n\n".join(shown(one, each) for each in one.proposals()) + "\n" == snapshot(extension_class=TextExtension)


@pytest.mark.parametrize("name", NAMES)
def test_a_real_trace_tells_the_same(name: str):
    one = PROGRAMS[name]

    assert [shown(one, each) for each in traced(one)] == [shown(one, each) for each in one.proposals()]


@pytest.mark.parametrize(("one", "proposal"), CHOICES)
def test_the_error_is_gone(one: Program, proposal: Proposal):
    assert ("modified by an inplace operation" in run(one.text).error) is (one.rule != "FIP301")
    assert run(one.patched(proposal)).error == ""


# --- first choice: backward before steps


def choices(*words: str) -> list:
    return [each for each in CHOICES if all(word in each.values[1].title for word in words)]


def kept(one: Record, other: Record, count: int) -> bool:
    """True if the gradients of the first backwards of one run are those of the other, in whatever order."""
    return all(any(equal(g, h) for h in other.backwards[: count + 1]) for g in one.backwards[:count])


@pytest.mark.parametrize(
    ("one", "proposal"), [*choices("moved behind"), *choices("is dropped"), *choices("loop of its own")]
)
def test_reordered_gradients_are_those_at_the_saved_weights(one: Program, proposal: Proposal):
    """Until the failing backward nothing else is different: all gradients are those of the original with clones."""
    failing = len(run(one.text).backwards) + 1

    assert kept(run(one.text, cloned=True), run(one.patched(proposal)), failing)


@pytest.mark.parametrize(
    ("one", "proposal"),
    # "script" steps every second round, and clears no gradients in the other: there the original adds to them
    [*choices("limited to `"), *choices("limited to its"), *choices("update_d", "moved behind")],
)
def test_a_limited_backward_trains_as_the_original_was_meant(one: Program, proposal: Proposal):
    """Every optimizer steps on the gradients of its own loss: over all rounds the parameters are the same."""
    wanted, found = run(one.text, cloned=True), run(one.patched(proposal))

    assert equal(wanted.parameters, found.parameters)


@pytest.mark.parametrize(
    "name", ["gan_shared_score", "gan_generator_first", "ddpg", "gan_methods", "critics_in_a_loop"]
)
def test_an_unlimited_backward_adds_to_the_other_side(name: str):
    """The meaning says that both losses teach the side that steps first; one round of SGD shows it."""
    one = PROGRAMS[name]
    (proposal,) = [each for each in one.proposals() if "moved behind" in each.title and "limited" not in each.title]
    once = [text.replace("in range(2)", "in range(1)") for text in (one.patched(proposal), one.text)]
    untrained = run(once[1].replace(".step()", ".zero_grad()"), cloned=True).parameters
    found = run(once[0])

    assert "they are added" in proposal.meaning
    stepped = {"gan_generator_first": "0."}.get(name, "1.")
    for key in (key for key in untrained if key.startswith(stepped)):
        total = sum(gradients[key] for gradients in found.backwards if key in gradients)
        torch.testing.assert_close(found.parameters[key], untrained[key] - 0.1 * total)


@pytest.mark.parametrize("name", ["second_loss", "second_loss_accumulated"])
def test_one_step_for_two_losses(name: str):
    one = PROGRAMS[name]
    (proposal,) = [each for each in one.proposals() if "is dropped" in each.title]
    first = {"second_loss": ("torch.randn(2, 5, 4)", "torch.randn(1, 5, 4)")}.get(name, ("", ""))
    text = one.patched(proposal).replace(*first)
    found = run(text)
    untrained = run(text.replace(".step()", ".zero_grad()")).parameters

    for key, value in found.parameters.items():
        torch.testing.assert_close(value, untrained[key] - 0.1 * sum(each[key] for each in found.backwards))


# --- second choice: computed again

FRESH = {
    "gan_shared_score": ("loss_g.backward()", "bce(net_d(fake), torch.ones(5, 1)).backward()"),
    "gan_scaler": ("scaler.scale(loss_g).backward()", "scaler.scale(F.softplus(-D(fake)).mean()).backward()"),
    "gan_every_second_step": ("g_loss.backward()", "(-netD(fake).mean()).backward()"),
    "gan_update_helper": ("g_loss.backward()", "F.softplus(-D(fake)).mean().backward()"),
    "gan_methods": (
        "self.loss_g = F.softplus(-self.pred_fake).mean()",
        "self.loss_g = F.softplus(-self.D(self.G(self.z))).mean()",
    ),
    "gan_latent_methods": ("(self.again - self.noise)", "(self.E(self.G(self.noise)) - self.noise)"),
    "gan_rounds": ("F.softplus(-D(fake))", "F.softplus(-D(G(z)))"),
    "actor_critic": (
        "policy_loss.backward()",
        "(-(dist.log_prob(actions) * (returns - value_net(states).squeeze(-1))).mean()).backward()",
    ),
    "ddpg": ("actor_loss.backward()", "(-self.critic(torch.cat([s, self.actor(s)], 1)).mean()).backward()"),
    "sac_two_critics": (
        "actor_loss.backward()",
        "(-torch.min(critic1(torch.cat([s, pi], 1)), critic2(torch.cat([s, pi], 1))).mean()).backward()",
    ),
    "critics_in_a_loop": ("actor_loss.backward()", "(-torch.stack([c(sa) for c in critics]).mean()).backward()"),
    "shared_trunk": ("loss_b.backward()", "F.cross_entropy(head_b(encoder(x)), y).backward()"),
    "second_loss": ("sparsity.backward()", "net(x).abs().mean().backward()"),
    "sharpness_aware": ("    loss.backward()\n", "    model(x).pow(2).mean().backward()\n"),
    "by_hand": ("size.backward()", "net(x).abs().mean().backward()"),
    "cached_features": ("loss.backward(retain_graph=True)", "head(encoder(x)).pow(2).mean().backward()"),
    "script": (
        "loss_ae.backward()",
        "((temperature * dec(z) - x).pow(2).mean() - F.logsigmoid(disc(z)).mean()).backward()",
    ),
    "mutual_learning": (
        "loss_right.backward()",
        "((right(x) - 1).pow(2).mean() + F.mse_loss(right(x), left(x))).backward()",
    ),
    "by_hand_past_autograd": ("far_loss.backward()", "(far(body(x)) - 1).pow(2).mean().backward()"),
    "closure": ("F.mse_loss(head(features), y)", "F.mse_loss(head(encoder(x)), y)"),
    "accelerator": (
        "accelerator.backward(error)",
        'accelerator.backward((nets["decoder"](nets["encoder"](x)) - x).pow(2).mean())',
    ),
    "step_in_a_branch": ("loss_g.backward()", "F.softplus(-D(fake)).mean().backward()"),
}


@pytest.mark.parametrize("name", sorted(FRESH))
def test_computed_again_is_a_fresh_forward(name: str):
    """The failing loss written out in the place of its backward, with the weights of that moment, trains the same."""
    one = PROGRAMS[name]
    (proposal,) = [each for each in one.proposals() if "computed again" in each.title]
    assert FRESH[name][0] in one.text
    wanted, found = run(one.text.replace(*FRESH[name])), run(one.patched(proposal))

    assert wanted.error == ""
    assert equal(wanted.parameters, found.parameters)


def test_what_draws_data_again_says_so():
    (again,) = [each for each in PROGRAMS["second_loss_draws_data"].proposals() if "computed again" in each.title]

    assert "`next(batches)` is called again and gives something else" in again.meaning


FACTORS = """
def main():
    left, right = nn.Parameter(torch.rand(4, 2)), nn.Parameter(torch.rand(2, 3))
    one, two = torch.optim.SGD([left], lr=0.1), torch.optim.SGD([right], lr=0.1)
    for x in torch.rand(2, 4, 3):
        product = left.mm(right)
        loss = (product - x * torch.log(product + 1)).mean()
        one.zero_grad()
        loss.backward(retain_graph=True, inputs=[left])
        one.step()
        two.zero_grad()
        loss.backward(inputs=[right])
        two.step()
"""


@pytest.mark.parametrize(
    ("value", "again"),
    [
        ("torch.log(product + 1)", True),
        ("(product + 1).log()", True),
        ("math.log(2)", True),
        ("run.log(product)", False),
    ],
)
def test_a_logarithm_is_computed_again_and_a_log_is_not(value: str, again: bool):
    text = FACTORS.replace("torch.log(product + 1)", value)
    one = program(text, "left.mm(right)", "one.step()", "loss.backward(inputs=[right])")

    assert any("computed again" in each.title for each in one.proposals()) is again


def test_a_backward_to_some_inputs_adds_nothing_to_others():
    one = program(FACTORS, "left.mm(right)", "one.step()", "loss.backward(inputs=[right])")
    text = FACTORS.replace("loss.backward(inputs=[right])", "loss.backward()")
    all_of_it = program(text, "left.mm(right)", "one.step()", "loss.backward()")
    told = [[each for each in some.proposals() if "moved behind" in each.title] for some in (one, all_of_it)]

    assert len(told[0]) == 1 and "also gives gradients" not in told[0][0].meaning
    assert any("also gives gradients" in each.meaning for each in told[1])


def test_what_reads_the_new_value_afterwards_is_told():
    one = PROGRAMS["sharpness_aware"]
    logged = one.text.replace("    return", "    print(f'{loss:.0f}', end='')\n    return")
    assert logged != one.text
    told = [replace(one, text=text).proposals() for text in (one.text, logged)]
    plain, late = (each.meaning for some in told for each in some if "computed again" in each.title)

    assert "reads the new one" not in plain
    assert f"line {len(logged.splitlines()) - 1} reads the new one" in late


# --- third choice, and carried graphs: detached


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        ("gan_generator_first", "0."),
        ("actor_critic", "1."),
        ("shared_trunk", "0."),
        ("second_loss_draws_data", "0."),
        ("environment_in_between", "0."),
        ("input_rebound", "0."),
        ("accelerator", "0."),
        ("mutual_learning", "0."),
    ],
)
def test_the_detached_side_gets_no_gradient_and_the_other_the_same(name: str, gone: str):
    one = PROGRAMS[name]
    (proposal,) = [each for each in one.proposals() if " detached in " in each.title]
    failing = len(run(one.text).backwards)
    wanted, found = (r.backwards[failing] for r in (run(one.text, cloned=True), run(one.patched(proposal))))

    assert any(key.startswith(gone) for key in wanted)
    assert equal({key: g for key, g in wanted.items() if not key.startswith(gone)}, found)


ONE_ROUND = {"option_features"}
"""Where the state is made anew in every round, the graph does not grow."""


@pytest.mark.parametrize("name", [name for name in NAMES if PROGRAMS[name].rule == "FIP207"])
def test_a_detached_state_leaves_nothing_of_earlier_rounds(name: str):
    """With clones the graph grows from round to round; detached, each backward sees as much as the first (the state
    that it starts with has no graph, and the first round has none at all)."""
    one = PROGRAMS[name]
    (proposal,) = [each for each in one.proposals() if "Truncated" in each.meaning]
    grown, cut = run(one.text, cloned=True).nodes, run(one.patched(proposal)).nodes

    assert grown[-1] > grown[1] or name in ONE_ROUND
    assert set(cut) == {cut[0]}


@pytest.mark.parametrize(("one", "proposal"), choices("one backward and one step"))
def test_one_backward_for_all_rounds_has_the_sum_of_their_gradients(one: Program, proposal: Proposal):
    rounds = run(one.text.replace("opt.step()", "opt.zero_grad()")).backwards
    (found,) = run(one.patched(proposal)).backwards
    rounds = rounds[-1:] if "which all rounds add to" in proposal.meaning else rounds  # the last one is of their sum

    assert equal(found, {key: sum(each[key] for each in rounds if key in each) for key in found})


@pytest.mark.parametrize("name", ["cached_features", "old_log_probabilities"])
def test_a_value_detached_before_the_loop_is_a_constant(name: str):
    one = PROGRAMS[name]
    (proposal,) = [each for each in one.proposals() if "before the loop" in each.title]
    found = run(one.patched(proposal))

    assert len(set(found.nodes)) == 1
    assert ("0.0.weight" in found.backwards[0]) is (name == "old_log_probabilities")


# --- what is not proposed


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gan_shared_score", "detached"),  # the generator would learn nothing
        ("ddpg", "detached"),
        ("sac_two_critics", "detached"),
        ("second_loss", "detached"),
        ("sharpness_aware", "moved"),  # the step clears the gradients, and its point is to come first
        ("step_in_a_branch", "moved"),
        ("leaves_in_between", "moved"),  # a round that goes on early would never step
        ("one_module_cleared_for_all", "moved"),  # a `zero_grad` in a branch would clear the gradients
        ("one_step_per_helper", "moved"),  # the helper's backward would have to keep its graph
        ("input_rebound", "again"),  # `x` is another one by then
        ("environment_in_between", "again"),  # the environment would step twice
    ],
)
def test_what_would_be_wrong_is_not_proposed(name: str, words: str):
    titles = [each.title for each in PROGRAMS[name].proposals()]

    assert titles
    assert not [title for title in titles if words in title]


CLEARED = """
def main():
    net, extra = mlp(4, 2), mlp(2, 1)
    opt = torch.optim.SGD(net.parameters(), lr=0.1)
    opt_e = torch.optim.SGD(extra.parameters(), lr=0.1)
    out = net(torch.ones(5, 4))
    first, second = out.pow(2).mean(), extra(out).mean()
    first.backward(retain_graph=True)
    opt.step()
    {between}
    second.backward()
    opt_e.step()
    return [net, extra]
"""


@pytest.mark.parametrize(
    ("between", "goes"),
    [
        ("opt.zero_grad()", True),
        ("net.zero_grad(set_to_none=True)", True),
        ("opt_e.zero_grad()", False),
        ("extra.zero_grad()", False),
    ],
)
def test_clearing_the_stepped_gradients_goes_along(between: str, goes: bool):
    one = program(CLEARED.format(between=between), "net(torch.ones(5, 4))", "opt.step()", "second.backward()")
    (text, *_) = [one.patched(each) for each in one.proposals() if "moved behind" in each.title]

    assert (text.index(between) > text.index("second.backward(")) is goes
    assert run(text).error == ""


@pytest.mark.parametrize("between", ["for m in [net, extra]: m.zero_grad()", "agent.zero_grad()", "opt = None"])
def test_a_step_is_not_moved_past_what_may_undo_it(between: str):
    one = program(CLEARED.format(between=between), "net(torch.ones(5, 4))", "opt.step()", "second.backward()")
    unknown = program(one.text.replace("net.parameters()", "[*map(id, net)]"), one.save, one.step, one.needed)
    tried = unknown if "agent" in between else one

    assert not [each for each in tried.proposals() if "moved behind" in each.title]


def test_without_a_common_function_it_is_explained():
    one = program(
        """
        def first(net, x):
            return net(x).pow(2).mean()


        def step(opt):
            opt.step()


        def last(loss):
            loss.backward()
        """,
        "net(x)", "opt.step()", "loss.backward()",
    )  # fmt: skip
    (proposal,) = one.proposals()

    assert proposal.tier is Tier.EXPLAIN and not proposal.changes
    assert all(f"line {line}" in proposal.meaning for line in (11, 15, 19))


def test_comments_and_line_ends_stay(tmp_path):
    text = PROGRAMS["gan_shared_score"].text.replace(
        "        opt_d.step()\n", "        # and now its step\n        opt_d.step()  # SGD\n"
    )
    one = Program(text.replace("\n", "\r\n"), "net_d(fake)", "opt_d.step()", "loss_g.backward()")
    result = one.patched(one.proposals()[0])

    assert "\n        # and now its step\r\n        opt_d.step()  # SGD\r\n        opt_g.step()" in result
    assert result.count("\n") == result.count("\r\n") == one.text.count("\n")


# --- explanations

EXPLAINED = {
    "FIP209": "register_hook",
    "FIP210": "ctx.mark_dirty",
    "FIP211": "zeros_like",
    "FIP212": "broadcast_buffers=False",
    "FIP303": "copy_",
    "FIP304": "index_add",
    "FIP305": "training-mode",
    "FIP307": "clone",
}


@pytest.mark.parametrize("rule", sorted(EXPLAINED))
def test_what_is_explained(rule: str):
    one = Program("a = f(x)\nb = g(a)\na.add_(1)\nb.backward()\n", "g(a)", "a.add_(1)", "b.backward()", rule,
                  note="the writer is known")  # fmt: skip
    (proposal,) = of(Tier.EXPLAIN, one.proposals())

    assert EXPLAINED[rule] in proposal.title
    assert not proposal.changes
    for words in (
        "`g(a)` in train.py, line 2",
        "`a.add_(1)` in train.py, line 3",
        "`b.backward()` in train.py, line 4",
    ):
        assert words in proposal.meaning
    assert "The writer is known." in proposal.meaning


def test_a_checkpoint_is_told_from_other_hooks():
    one = Program("a = f(x)\nb = g(a)\na.add_(1)\nb.backward()\n", "g(a)", "a.add_(1)", "b.backward()", "FIP307")
    scene = one.scene
    save = scene.offence.save
    assert save is not None
    library = Place("/lib/site-packages/torch/utils/checkpoint.py", 519)
    offence = replace(scene.offence, save=replace(save, stack=(*save.stack, library)))

    found = [each for repair in repairs() for each in repair.propose(replace(scene, offence=offence))]

    (proposal,) = of(Tier.EXPLAIN, found)
    assert "into the checkpointed function, as an argument" in proposal.title


def test_a_fused_step_has_the_same_choices():
    one = PROGRAMS["ddpg"]
    silent = Program(one.text, one.save, one.step, one.needed, "FIP306")

    assert [each.title for each in of(Tier.CHOOSE, silent.proposals())] == [each.title for each in one.proposals()]
    assert "fused=False" in of(Tier.EXPLAIN, silent.proposals())[0].title
    assert PATH in {change.path for each in silent.proposals() for change in each.changes}
