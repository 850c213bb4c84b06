"""`fixinplace rule`: what a rule finds, why that matters, how it is cured, when it is refused."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from fixinplace import names
from fixinplace.names import Rule
from fixinplace.report import glossary


class Documented(Protocol):
    """What a rewrite says about itself: the rules that it takes, and Markdown about it."""

    @property
    def rules(self) -> Sequence[str]:
        """Codes of the rules."""

    @property
    def documentation(self) -> str:
        """What it writes, why, when that is safe, examples."""


@dataclass(frozen=True, slots=True)
class Page:
    """The hand-written part of a rule's documentation."""

    finds: str
    why: str
    cure: str = ""  # what helps, for rules that a run tells and no rewrite takes


_SAVED = (
    "Autograd keeps the very tensor that an operation needs for its backward, not a copy. A write after that is "
    'noticed at backward by the version counter: the run dies with "one of the variables needed for gradient '
    'computation has been modified by an inplace operation".'
)

PAGES: dict[str, Page] = {
    "FIP101": Page(
        "`h += skip` and the other augmented assignments on a name that holds a tensor.",
        "For a tensor `h += skip` calls `h.__iadd__`, which overwrites the memory that every other name, view and "
        "saved copy of `h` shares; for a number the same line only rebinds the name. " + _SAVED,
    ),
    "FIP102": Page(
        "`self.h *= decay`: an augmented assignment on an attribute that holds a tensor.",
        "The tensor lives as long as the object, so the backward of an earlier step may still need it. " + _SAVED,
    ),
    "FIP103": Page(
        "`h[:, 0] += bias`: an augmented assignment on elements of a tensor.",
        "Elements are written through a view of the whole tensor, and the whole tensor's version moves. " + _SAVED,
    ),
    "FIP104": Page(
        "`h.mul_(2)`, `h.relu_()`, `h.add_(x).clamp_(0)`: a method whose name ends in an underscore.",
        _SAVED,
    ),
    "FIP105": Page("`torch.relu_(h)`, `F.leaky_relu_(h)`: a function whose name ends in an underscore.", _SAVED),
    "FIP106": Page(
        "`F.relu(h, inplace=True)`, `F.dropout(h, 0.5, True, True)`: `inplace` by name or by position.",
        "The call gives a value and overwrites its argument as well; whoever reads the argument later reads the "
        "result. " + _SAVED,
    ),
    "FIP107": Page(
        "`nn.ReLU(inplace=True)`, `nn.Dropout(0.1, True)`, in a constructor, a `Sequential`, a table or a partial.",
        "The module overwrites what its caller passes in: far from the line that builds it, and in a `Sequential` "
        "it is the output of the module before. " + _SAVED,
    ),
    "FIP108": Page("`layer.inplace = True` after the module was built.", "As for inplace-module. " + _SAVED),
    "FIP109": Page(
        "`h[mask] = 0`, `out[i] = f(x)`: an assignment to elements of a tensor.",
        "The store overwrites elements that the backward of an earlier operation may need. " + _SAVED,
    ),
    "FIP110": Page(
        "`torch.add(a, b, out=h)`: a result that is written into a tensor that exists.",
        "Autograd does not support `out=` for tensors that require grad, and the memory that is overwritten may "
        "have been saved. " + _SAVED,
    ),
    "FIP111": Page(
        "`w.data *= 2`, `w.data = v`: a write through `.data`.",
        "`.data` shares the memory and not the version counter: a backward that needs the old value silently takes "
        "the new one, and the gradient is wrong without an error.",
    ),
    "FIP112": Page(
        "`h.t_()`, `h.squeeze_()`, `h.detach_()`: shape, strides or history of a tensor are changed in place.",
        "Whoever else holds the tensor sees another shape, or loses its gradient.",
    ),
    "FIP113": Page(
        "`h.normal_()`, `h.bernoulli_(p)`: a tensor is overwritten with random numbers.",
        "The old value is gone and so is its gradient. " + _SAVED,
    ),
    "FIP114": Page(
        "`h.zero_()`, `h.fill_(1)`, `h.copy_(x)`: a tensor is overwritten with a constant or with another tensor.",
        _SAVED,
    ),
    "FIP115": Page("`torch._foreach_mul_(tensors, 2)`: many tensors are overwritten in one call.", _SAVED),
    "FIP116": Page(
        "`h.frobnicate_()` on a tensor: it looks like an in-place method, and the catalogue does not know it.",
        "What it computes is not known, so nothing is guessed.",
    ),
    "FIP201": Page(
        "`optimizer_d.step()` between the forward and the backward of the generator's loss.",
        "The forward saved the weights, and the step wrote them in place. " + _SAVED,
        "Three repairs with three meanings: take every backward before the first step; compute the second loss again "
        "after the step; detach what the second loss must not teach. Which one is right only the algorithm says.",
    ),
    "FIP202": Page(
        "`model.bias += 1` or `weight[0] = 0` where grad mode is on.",
        "A leaf is where gradients end; a recorded write would make it the result of an operation, and torch refuses.",
        "`with torch.no_grad():` around the edit of a parameter; out of place for an input that requires grad.",
    ),
    "FIP203": Page(
        "`b = conv.bias.view(3, -1); b[:, 4] += c`.",
        "The view shares the leaf's memory, so that writing it writes the leaf.",
        "`with torch.no_grad():` around the edit; the view may stay.",
    ),
    "FIP204": Page(
        "`mean, scale = h.chunk(2, -1); scale.clamp_(-5, 5)`, and the loop variable of `for row in h`.",
        "Several views came out of one call, and autograd cannot say what a write to one of them does to the others.",
        "Write out of place; where the write was meant to reach the base, index the base, or collect and stack.",
    ),
    "FIP205": Page(
        "A feature computed under `torch.inference_mode()` that reaches the training graph, or is updated there.",
        "An inference tensor has no version counter: autograd can neither record a write nor guard what it saves.",
        "`torch.no_grad()` instead of inference mode, or a clone outside of it.",
    ),
    "FIP206": Page(
        "`with torch.no_grad(): v = x[0]`, then `v += y` outside.",
        "The view was made where nothing is recorded, so that autograd has no way from the view to its base.",
        "Make the view where it is written, or clone it.",
    ),
    "FIP207": Page(
        "`h = cell(x, h); loss.backward(retain_graph=True); optimizer.step()` in a loop that never detaches `h`.",
        "The second backward goes through the first iteration as well, whose saved weights the step has overwritten.",
        "Detach the state at the end of an iteration (gradients then stop there), or run the whole chain first.",
    ),
    "FIP208": Page(
        "`self.u.copy_(u)` in every forward, and two forwards before the backward.",
        "The first forward saved the buffer, the second one wrote it. " + _SAVED,
        "Clone the buffer where it is read; the write stays as it is.",
    ),
    "FIP209": Page(
        "`layer.register_full_backward_hook(f)`, and the next layer is `nn.ReLU(inplace=True)`.",
        "The hook wraps the output in a view that a custom Function made, and such a view may not be written.",
        "Switch the next layer's flag off, or hook the tensor in a forward hook instead.",
    ),
    "FIP210": Page(
        "`forward` of a custom Function that writes its input and returns it.",
        "Without `ctx.mark_dirty(x)` autograd does not know that the input now has another history.",
        "Call `ctx.mark_dirty` on every input that is written, or write a clone.",
    ),
    "FIP211": Page(
        "`err = torch.zeros(n); err[i] = f(x)` inside a function that vmap maps.",
        "Every element of the batch would have to write its own value into the one tensor.",
        "Build the tensor from its parts (`torch.stack`), or like a batched one (`torch.zeros_like`).",
    ),
    "FIP212": Page(
        "Two forwards through DistributedDataParallel before the backward, with BatchNorm or other buffers inside.",
        "Every forward first copies the buffers of rank 0 over those that the forward before saved. Since the version "
        "counters are put back afterwards, there is no error: on every other rank the gradient is silently wrong.",
        "`broadcast_buffers=False`, SyncBatchNorm, or one forward over the concatenated input.",
    ),
    "FIP213": Page(
        "`adjacency[edge_index]`, then `edge_index[1] += offset`.",
        "The backward of indexing needs the index it was called with; an index has no gradient and is still saved.",
        "Compute the new index out of place.",
    ),
    "FIP301": Page(
        "`w.data.mul_(2)` after a forward that saved `w`.",
        "What `.data` gives shares the memory and not the version counter, so that the check sees nothing.",
        "Out of place if the write is part of the model; after the backward if it is an update.",
    ),
    "FIP302": Page(
        "`a = h.detach().numpy(); a /= a.max()`.",
        "numpy and dlpack write the same memory and know no version counter.",
        "`.numpy().copy()`, or clone the tensor first.",
    ),
    "FIP303": Page(
        "`w.data = v` or `w.set_(v)` after a forward that saved `w`.",
        "The saved tensor keeps the old memory while everybody else reads the new one, and no version tells.",
        "Assign after the backward.",
    ),
    "FIP304": Page(
        "`x[index] = v` where `index` names an element twice and `v` requires grad.",
        "Only one of the two values stays, and torch's own backward gives a gradient to both.",
        "`index_add` or `scatter_reduce`, which say what becomes of duplicates; or make the index unique.",
    ),
    "FIP305": Page(
        "A forward in evaluation mode, a forward in training mode, then the backward of the first.",
        "Batch norm saved its running statistics, and the second forward updated them without moving the version.",
        "Take the backward before the next forward, or clone the statistics.",
    ),
    "FIP306": Page(
        "`Adam(..., fused=True).step()` on the CPU between a forward and its backward.",
        "The fused kernel does not move the versions of the parameters it writes: the error of step-before-backward "
        "does not come, and the gradient mixes old and new weights.",
        "As for step-before-backward.",
    ),
    "FIP307": Page(
        "`save_on_cpu()` or other saved-tensor hooks around a forward whose saved tensor is written later.",
        "Under hooks the engine compares no versions, and a hook that keeps the tensor gives back its new value.",
        "Keep a copy in the pack hook, or write out of place.",
    ),
    "FIP308": Page(
        "`h = net(x)`, `h.data *= scale`, then `loss(h).backward()`.",
        "Autograd does not see the write: the values are scaled, the gradients are not.",
        "Drop `.data`, or write out of place; leave it where the gradient is to pass the write by, as in a "
        "straight-through rounding.",
    ),
    "FIP309": Page(
        "`return grad_output.neg_() * ctx.alpha` in the backward of a custom Function.",
        "The engine may hand the same gradient to other nodes, which then get what was written.",
        "Out of place: `grad_output.neg()`.",
    ),
    "FIP901": Page("The file does not parse as Python.", "What cannot be parsed is not judged; the other files are."),
    "FIP902": Page(
        "The file is missing, a folder, binary, not readable, or not in the encoding that it declares.",
        "What cannot be read is not judged; the other files are.",
    ),
    "FIP903": Page(
        "An ignore comment on a line where nothing is found, or one that names no rule.",
        "A comment that outlives its reason hides the next finding on that line.",
    ),
    "FIP904": Page("fixinplace itself failed.", "The file stays as it is; the message says how to reproduce it."),
    "FIP905": Page(
        "The file could not be replaced, or somebody else changed it in the meantime.", "Nothing was written to it."
    ),
    "FIP906": Page(
        "A file at which a worker process of `fixinplace migrate` ended twice: it crashed, or passed its limits.",
        "It stays as it is, and the other files go on. `--unit-timeout` and `--max-memory` raise the limits.",
    ),
}

FIX_SAFETY = (
    "Without a run a fix is `safe` when it is exact by construction: nobody else can see the tensor, the dtype "
    "cannot change, the name can be bound, grad mode is on, and every sub-expression is evaluated once and in order. "
    "Otherwise it is written when it is `proved`: original and rewritten code ran, the line was reached, and values, "
    "gradients, state, aliasing, dtypes and random state are equal. `--unsafe-fixes` also writes what is `unproved`. "
    "What is `refuted` is never written."
)


def listing() -> Iterator[str]:
    """One line per rule."""
    for rule in names.RULES:
        yield f"{rule.code}  {rule.name}: {rule.summary}"


def page(rule: Rule, rewrites: Sequence[Documented]) -> Iterator[str]:
    """The documentation of one rule."""
    text = PAGES[rule.code]
    yield f"# {rule.name} ({rule.code})"
    yield from _section("What it finds", text.finds)
    yield from _section("Why it matters", text.why)
    takers = [rewrite for rewrite in rewrites if rule.code in rewrite.rules]
    if text.cure:
        yield from _section("What helps", text.cure)
    if text.cure or rule.code.startswith("FIP9"):
        return
    yield from _section("Rewrites", "" if takers else "None: the finding is reported and refused with a reason.")
    for rewrite in takers:
        yield from ("", *rewrite.documentation.splitlines())
    yield from _section("Fix safety", FIX_SAFETY)
    yield from _section("Refusals", "No change is made, and the report says why, where")
    yield ""
    yield from (f"- {name}: {meaning}" for name, meaning in glossary.REFUSALS.items() if names.counts(name))


def _section(title: str, body: str) -> Iterator[str]:
    yield from ("", f"## {title}")
    if body:
        yield from ("", *textwrap.wrap(body, 110))
