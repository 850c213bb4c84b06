"""What the tracer tells beside the three lines, what it keeps, and that it leaves no trace of itself."""

from __future__ import annotations

import contextlib
import gc
import json
import subprocess
import sys
import threading
import traceback
import weakref
from pathlib import Path

import pytest
import torch
from situations import DIES, REFUSED
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from tracing import PATH, code, traced

from fixinplace.trace import events
from fixinplace.trace.events import Standing
from fixinplace.trace.tracer import Options, Tracer

CONTENT = Options(content=True)
BOTH = pytest.mark.parametrize("options", [Options(), CONTENT], ids=["versions", "content"])


# --- what is told


def test_everything_that_holds_the_storage_is_named():
    run = traced(
        """
        class Cell(nn.Module):
            def __init__(self):
                super().__init__()
                self.state, self.cache = None, []

            def forward(self, y):
                self.state = y
                self.cache.append(y)
                kept = {"q": y[0]}
                out = y.exp() * y
                y += 1
                return out.sum() + 0 * kept["q"].detach().sum()

        Cell()(torch.randn(2, 2, requires_grad=True) * 1).backward()
        """
    )
    (write,) = run.trace.offences[0].writes

    assert set(write.names) == {"y", "self.state", "self.cache[0]", "kept['q'] (view)"}
    assert write.names_complete
    assert (write.shape, write.dtype) == ((2, 2), "float32")
    assert (write.requires_grad, write.leaf, write.view, write.grad_mode) == (True, False, False, True)
    assert write.stack[0].function == "Cell.forward"


def test_attributes_of_any_object_are_searched():
    run = traced(
        """
        class Base:
            pass

        class State(Base):
            def __init__(self, h):
                self.hidden = h

        def step(state):
            state.hidden.mul_(2)

        state = State(torch.randn(3, requires_grad=True).exp())
        step(state)
        state.hidden.sum().backward()
        """
    )

    assert run.offence.writes[0].names == ("state.hidden",)


def test_a_search_that_is_cut_short_says_so():
    run = traced(
        """
        crowd = {number: [object()] for number in range(3000)}
        h = torch.randn(3, requires_grad=True).exp()
        h += 1
        h.sum().backward()
        """
    )
    (write,) = run.offence.writes

    assert not write.names_complete


def test_an_in_place_module_is_told_with_its_path_and_where_it_was_built():
    run = traced(
        """
        def act():
            return nn.ReLU(inplace=True)  # built

        class Block(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = nn.ModuleDict({"gate": nn.Sequential(nn.Sigmoid(), act())})

            def forward(self, x):
                return self.layers["gate"](x)

        Block()(torch.randn(3, requires_grad=True)).sum().backward()
        """
    )
    (write,) = run.offence.writes
    assert write.built is not None

    assert (write.module, write.op) == ("ReLU layers.gate.1", "relu_")
    assert (write.built.line, write.built.text) == (min(run.lines("built")), "nn.ReLU(inplace=True)")


def test_a_module_of_the_users_own_is_built_where_it_is_called_for():
    run = traced(
        """
        class Shift(nn.Module):
            def __init__(self):
                super().__init__()
                self.by = 1

            def forward(self, x):
                return x.add_(self.by)

        class Shifts(Shift):
            def __init__(self):
                super().__init__()

        model = nn.Sequential(nn.Sigmoid(), Shifts())  # built
        model(torch.randn(3, requires_grad=True)).sum().backward()
        """
    )
    (write,) = run.offence.writes
    assert write.built is not None

    assert (write.module, write.built.line, write.built.text) == ("Shifts 1", min(run.lines("built")), "Shifts()")


@pytest.mark.parametrize(
    ("write", "by"),
    [
        ("torch.optim.SGD([w], lr=1.0).step()", "optimizer"),
        ("nn.init.zeros_(w)", "initialiser"),
        ("w.detach().add_(1)", "operator"),
    ],
)
def test_who_wrote(write: str, by: str):
    run = traced(
        f"""
        w = torch.randn(3, requires_grad=True)
        out = w.exp() * w
        w.grad = torch.ones(3)
        {write}
        out.sum().backward()
        """
    )

    assert [each.by for each in run.offence.writes] == [by]


def test_a_parameter_is_named_where_a_leaf_is_refused():
    run = traced(
        """
        model = nn.Sequential(nn.Linear(3, 2))
        for parameter in model.parameters():
            parameter.mul_(0.5)
        """
    )

    assert run.offence.note == "it is the parameter `model.0.weight`"
    assert (run.offence.writes[0].op, run.offence.writes[0].shape) == ("mul_", (2, 3))


def test_all_offences_of_a_backward_are_told_and_then_it_raises():
    body = """
        a, b = (torch.randn(3, requires_grad=True).exp() for _ in range(2))
        a += 1
        b *= 2
        loss = a.sum() + b.sum()
        loss.backward()
        """
    run = traced(body)
    quiet = traced(body, Options(raise_native=False))

    assert {each.writes[0].names for each in run.trace.offences} == {("a",), ("b",)}
    assert isinstance(run.error, RuntimeError) and quiet.error is None
    assert len(quiet.trace.offences) == 2


def test_a_chain_holds_every_write_in_order():
    run = traced(
        """
        h = torch.randn(3, requires_grad=True).exp()
        h += 1
        for _ in range(2):
            h.mul_(2)
        h.zero_()
        h.sum().backward()
        """
    )
    offence = run.offence

    assert [write.op for write in offence.writes] == ["add_", "mul_", "mul_", "zero_"]
    assert [write.version for write in offence.writes] == [0, 1, 2, 3]
    assert (offence.saved_version, offence.found_version, offence.complete) == (0, 4, True)


def test_a_writer_that_was_not_seen_is_said_to_be_missing():
    run = traced(
        """
        h = torch.randn(3, requires_grad=True).exp()
        h += 1
        torch._C._increment_version([h])
        h.sum().backward()
        """
    )

    assert not run.offence.complete
    assert "moved 2 times and 1 writes were seen" in run.offence.note


def test_late_turns_of_a_loop_get_the_names_of_earlier_ones():
    run = traced(
        """
        class Slots:
            def __init__(self):
                self.rows = torch.zeros(8, 2)

            def put(self, i, row):
                self.rows[i] = row

        def walk(steps):
            slots, row = Slots(), torch.ones(2, requires_grad=True)
            for i in range(steps):
                slots.put(i + 1, slots.rows[i].sin() + row)
            return slots.rows.sum()

        kept = [walk(6) for _ in range(2)]
        kept[1].backward()
        """,
        Options(raise_native=False),
    )

    for offence in run.trace.offences:
        assert offence.save is not None and "slots.rows" in offence.save.names
        assert "self.rows" in offence.writes[0].names and not offence.writes[0].names_complete


def test_a_remembered_name_is_that_of_the_same_storage_if_it_was_seen():
    run = traced(
        """
        def bump(y):
            y.add_(1)

        first, second = (torch.randn(2, requires_grad=True) * 1 for _ in range(2))
        kept = first.sin(), second.sin()
        for y in (first, second, second):
            bump(y)
        del y
        used = first.cos()
        bump(first)
        used.sum().backward()
        """
    )
    (write,) = run.offence.writes

    assert "first" in write.names and "second" not in write.names
    assert not write.names_complete


@pytest.mark.parametrize(
    ("made", "written", "result"),
    [
        ("x.exp()", "y", True),
        ("x.norm()", "y", True),
        ("x.norm()", "x", False),
        ("torch.linalg.vector_norm(x, dim=0, keepdim=True)", "x", False),
        ("x.prod()", "x", False),
        ("x.softmax(0)", "y", True),
        ("x.sin()", "x", False),
        ("x.relu()", "y", True),
        ("F.leaky_relu(x)", "x", False),
        ("x.max(0).values", "x", None),
    ],
)
def test_a_save_is_a_result_or_what_was_given(made: str, written: str, result: bool | None):
    run = traced(
        f"""
        x = torch.randn(3, requires_grad=True) * 1
        y = {made}
        {written}.mul_(2)
        y.sum().backward()
        """
    )
    saves = [offence.save for offence in run.trace.offences]

    assert [save is not None and save.result for save in saves] == ([] if result is None else [result])


def test_saved_elements_that_kept_their_values_are_disjoint():
    run = traced(
        """
        y = torch.randn(4, 2, requires_grad=True) * 1
        out = y[0].square()
        y[1] = 0
        out.sum().backward()
        """
    )

    assert run.offence.disjoint


def test_each_write_has_its_standing():
    run = traced(
        """
        x = torch.randn(3, 3, requires_grad=True)
        h = x @ x.detach()
        h += 1  # harmless
        used = h.exp()
        used.mul_(2)  # culprit
        unused = (x * 1).exp()
        unused.neg_()  # pending
        scratch = torch.zeros(3)
        for i in range(3):
            scratch[i] = i  # harmless
        (used.sum() + h.sum()).backward()
        """
    )
    spots = {spot.place.line: spot for spot in run.trace.spots}

    for standing in Standing:
        assert {line for line, spot in spots.items() if spot.standing is standing} == run.lines(standing.value)
    (store,) = (spot for spot in run.trace.spots if spot.count == 3)
    assert not store.tracked and all(spot.tracked for spot in run.trace.spots if spot is not store)


def test_rewritten_code_is_read_from_memory():
    text = code("h = torch.randn(3, requires_grad=True).exp()\nif True: h += 1\nh.sum().backward()\n")
    path = __file__  # what is on the disk there is something else
    tracer = Tracer(Options(own=lambda file: file == path, texts={path: text}))
    with pytest.raises(RuntimeError, match="modified by an inplace operation"), tracer:
        exec(compile(text, path, "exec"), {})
    place = tracer.trace().offences[0].writes[0].place
    assert place is not None

    assert (place.file, place.column, place.end_column, place.text) == (path, 10, 16, "h += 1")


def test_a_relative_file_name_is_made_absolute():
    text = code("h = torch.randn(3, requires_grad=True).exp()\nh += 1\nh.sum().backward()\n")
    tracer = Tracer(Options(own=lambda file: file == "train.py", texts={"train.py": text}))
    with pytest.raises(RuntimeError), tracer:
        exec(compile(text, "train.py", "exec"), {})
    place = tracer.trace().offences[0].writes[0].place
    assert place is not None

    assert (place.file, place.text) == (str(Path("train.py").absolute()), "h += 1")


@pytest.mark.parametrize("situation", [*DIES[:3], *REFUSED[:2]], ids=lambda each: each.name)
def test_a_trace_is_data(situation):
    trace = traced(situation.text).trace

    assert events.load(events.dump(trace)) == trace


def test_without_debug_ranges_there_are_lines():
    text = code("h = torch.randn(3, requires_grad=True).exp()\nh += 1\nh.sum().backward()\n")
    compiled = compile(text, PATH, "exec")
    bare = compiled.replace(co_linetable=_lines_only(compiled))
    tracer = Tracer(Options(own=lambda file: file == PATH, texts={PATH: text}))
    with pytest.raises(RuntimeError), tracer:
        exec(bare, {})
    place = tracer.trace().offences[0].writes[0].place
    assert place is not None

    assert (place.line, place.column, place.text) == (7, 0, "")


def _lines_only(compiled) -> bytes:
    """A line table that says the line of every instruction and no column: entries of kind 13 of PEP 626's format."""
    table, line = bytearray(), compiled.co_firstlineno
    for at, (now, *_) in enumerate(compiled.co_positions()):
        delta = (now or line) - line
        number = (-delta << 1 | 1) if delta < 0 else delta << 1
        table.append(0x80 | 13 << 3)
        while number >= 64:
            table.append(0x40 | number & 63)
            number >>= 6
        table.append(number)
        line = now or line
        assert at >= 0
    return bytes(table)


# --- silent changes without an operator


NUMPY = """
    h = torch.randn(3, requires_grad=True) * 1
    out = h.square()
    array = h.detach().numpy()  # view
    array += 1; array *= 2  # write
    out.sum().backward()
    """
BUFFER = """
    import numpy as np

    buffer = np.ones(3, dtype=np.float32)

    def refill(value):
        buffer[:] = value  # write

    x = torch.randn(3, requires_grad=True)
    out = x * torch.from_numpy(buffer)  # view
    refill(5.0)
    out.sum().backward()
    """


@pytest.mark.parametrize("body", [NUMPY, BUFFER], ids=["numpy view", "work buffer"])
def test_a_numpy_write_is_found_by_content_and_located_by_a_second_run(body: str):
    first = traced(body, CONTENT)
    assert first.offence.save is not None
    second = traced(body, Options(content=True, watch=first.offence.save.number))
    (view,) = first.lines("view")
    (write,) = second.offence.writes
    assert write.place is not None

    assert (first.offence.rule, first.offence.silent, first.offence.complete) == ("FIP302", True, False)
    assert first.offence.writes == () and f"{PATH}:{view}:" in first.offence.note
    assert traced(body).trace.offences == ()
    assert (second.offence.rule, {write.place.line}) == ("FIP302", second.lines("write"))
    assert write.place.text in ("array += 1", "buffer[:]")


def test_following_leaves_no_tracing_behind():
    before = sys.gettrace()
    traced(NUMPY, Options(content=True, watch=1))

    assert sys.gettrace() is before


def test_hooks_that_copy_protect_what_is_saved():
    run = traced(
        """
        h = torch.randn(3, requires_grad=True) * 1
        with torch.autograd.graph.saved_tensors_hooks(lambda t: t.clone(), lambda t: t):
            out = h.square()
        h += 1
        out.sum().backward()
        """,
        CONTENT,
    )

    assert run.trace.offences == () and run.error is None


@BOTH
@pytest.mark.parametrize(
    ("store", "wrong"),
    [
        ("x[torch.tensor([0, 2, 0])] = v", True),
        ("x[torch.tensor([0, -4, 1])] = v", True),
        ("x[torch.tensor([0, 1, 2])] = v", False),
        ("x[torch.tensor([True, True, True, False])] = v", False),
        ("x.index_put_((torch.tensor([0, 0, 1]),), v, accumulate=True)", False),
        ("x[torch.tensor([0, 0, 1])] = v.detach()", False),
        ("x[torch.tensor([1, 1])] = 0.0", False),
        ("x.scatter_(0, torch.tensor([1, 1, 2]), v)", True),
        ("x.scatter_(0, torch.tensor([1, 3, 2]), v)", False),
        ("x.scatter_add_(0, torch.tensor([1, 1, 2]), v)", False),
        ("x.index_copy_(0, torch.tensor([1, 1, 2]), v)", True),
        ("x.index_copy_(0, torch.tensor([1, 3, 2]), v)", False),
        ("x[0].index_copy_(0, torch.tensor([0]), v[:1])", False),
        ("x.index_add_(0, torch.tensor([1, 1, 2]), v)", False),
    ],
)
def test_a_store_that_names_an_element_twice(options: Options, store: str, wrong: bool):
    run = traced(
        f"""
        v = torch.randn(3, requires_grad=True)
        x = torch.zeros(4)
        {store}
        x.sum().backward() if x.requires_grad else None
        """,
        options,
    )

    assert [(each.rule, each.silent) for each in run.trace.offences] == [("FIP304", True)] * wrong


def test_two_dimensional_indices_are_told_apart():
    store = "x[torch.tensor([0, 0, {}]), torch.tensor([1, 2, 1])] = v"
    body = "v, x = torch.randn(3, requires_grad=True), torch.zeros(4, 4)\n" + store

    assert traced(body.format(1)).trace.offences == ()
    assert traced(body.format(0)).offence.rule == "FIP304"


@BOTH
@pytest.mark.parametrize(
    "body",
    [
        "F.rrelu(x, training=True).sum().backward()",
        "F.rrelu(x * 1, training=True, inplace=True).sum().backward()",
        "nn.BatchNorm1d(3)(x).sum().backward()",
        "m = nn.BatchNorm1d(3)\n(m(x).square().sum() + m(x + 1).sum()).backward()",
        "((x @ x.t()).relu_().sum() + F.dropout(x * 2, inplace=True).sum()).backward()",
        "y = x @ x.t()\ny += 1\ny.relu_()\ny.sum().backward()",
        "p = torch.nn.Linear(3, 3)\no = torch.optim.Adam(p.parameters())\n"
        "for _ in range(3):\n    o.zero_grad()\n    p(x).square().sum().backward()\n    o.step()",
        "h = torch.zeros(3)\nfor row in range(3):\n    h = torch.tanh(x[row] + h)\nh.sum().backward()",
        "x.to_sparse().sum().backward()",
        "(x.to(torch.complex32) * 2).abs().square().sum().backward()",
        "h = x.to(torch.float8_e4m3fn)\nh.to(torch.float32).square().sum().backward()",
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_is_right_is_not_blamed(options: Options, body: str):
    run = traced(f"x = torch.randn(3, 3, requires_grad=True)\n{body}", options)

    assert (run.trace.offences, run.error) == ((), None)


@BOTH
def test_a_tensor_with_a_dispatch_of_its_own(options: Options):
    """Natively this dies too, of a shape that torch cannot print into its message."""
    run = traced(
        """
        rows = [torch.randn(2, 3), torch.randn(4, 3)]
        h = torch.nested.nested_tensor(rows, layout=torch.jagged, requires_grad=True) * 1
        out = h.sin()
        h.mul_(2)  # write
        torch.nested.to_padded_tensor(out, 0.0).sum().backward()
        """,
        options,
    )
    (write,) = run.offence.writes
    assert write.place is not None

    assert ({write.place.line}, write.op, run.offence.complete) == (run.lines("write"), "mul_", True)


# --- the distributed case


RANK = """
import json
import sys

import torch
import torch.distributed as dist
from torch import nn

from fixinplace.trace import events
from fixinplace.trace.tracer import Options, Tracer


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.register_buffer("scale", torch.ones(3))

    def forward(self, x):
        return x * self.weight * self.scale  # save


rank, folder = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
model = nn.parallel.DistributedDataParallel(Scaled())
model.module.scale.mul_(1 + rank)
with Tracer(Options(own=lambda file: file == __file__)) as tracer:
    real = model.module(torch.ones(2, 3))
    fake = model(torch.ones(2, 3))  # write
    (real.sum() + fake.sum()).backward()
with open(f"{folder}/{rank}.json", "w") as file:
    json.dump(events.dump(tracer.trace()), file)
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_buffers_that_data_parallel_broadcasts(tmp_path: Path):
    """torch puts the versions back, so that there is no error; on every rank but the first the gradient is wrong."""
    if not torch.distributed.is_available() or not torch.distributed.is_gloo_available():
        pytest.skip("this torch has no gloo")
    script = tmp_path / "rank.py"
    script.write_text(RANK)
    ranks = [subprocess.Popen([sys.executable, str(script), str(rank), str(tmp_path)]) for rank in range(2)]
    assert [rank.wait(timeout=300) for rank in ranks] == [0, 0]
    zero, one = (events.load(json.loads((tmp_path / f"{rank}.json").read_text())) for rank in range(2))
    (offence,) = one.offences
    assert offence.writes[0].place is not None and offence.save is not None and offence.save.place is not None

    assert zero.offences == ()
    assert (offence.rule, offence.silent, offence.writes[0].by) == ("FIP212", True, "buffer")
    assert "# write" in RANK.splitlines()[offence.writes[0].place.line - 1]
    assert "# save" in RANK.splitlines()[offence.save.place.line - 1]


# --- what is kept


@BOTH
def test_a_freed_address_tells_no_story(options: Options):
    """The classic false alarm: a saved tensor is freed, and what is written later lies where it lay.

    The memory is lent by a bytearray: whether an allocator hands the same address out again is its own affair.
    """
    memory = bytearray(4000)
    with Tracer(options) as tracer:
        addresses = set()
        for _ in range(5):
            saved = torch.frombuffer(memory, dtype=torch.float32).requires_grad_()
            out = saved.square().sum()
            addresses.add(saved.data_ptr())
            del saved
            out.backward()
            del out
            other = torch.frombuffer(memory, dtype=torch.float32)
            addresses.add(other.data_ptr())
            other.add_(1)
    trace = tracer.trace()

    assert len(addresses) == 1
    assert trace.offences == ()
    assert {spot.standing for spot in trace.spots} <= {Standing.HARMLESS}


def test_what_the_program_lets_go_is_gone():
    with Tracer():
        x = torch.randn(100, requires_grad=True)
        hidden = x * 1
        out = hidden.exp()
        storage, result = StorageWeakRef(hidden.untyped_storage()), weakref.ref(out)
        hidden += 1
        out += 1
        loss = out.sum()
        del hidden, out
        assert storage.expired()
        del loss

        assert result() is None


@BOTH
def test_what_is_saved_lives_as_long_as_its_graph(options: Options):
    with Tracer(options):
        x = torch.randn(100, requires_grad=True)
        hidden = x * 1
        loss = hidden.square().sum()
        storage = StorageWeakRef(hidden.untyped_storage())
        del hidden
        assert not storage.expired()
        loss.backward()

        assert storage.expired()


def test_an_output_does_not_keep_itself():
    gc.disable()
    try:
        with Tracer():
            out = torch.randn(100, requires_grad=True).exp()
            gone = weakref.ref(out)
            del out

            assert gone() is None
    finally:
        gc.enable()


def test_hooks_that_free_memory_still_free_it():
    with Tracer():
        x = torch.randn(100, requires_grad=True)
        hidden = x * 1
        storage = StorageWeakRef(hidden.untyped_storage())
        with torch.autograd.graph.saved_tensors_hooks(lambda t: t.shape, torch.zeros):
            loss = hidden.square().sum()
        del hidden

        assert storage.expired()
        loss.backward()


def test_the_log_of_a_long_run_stays_small():
    layer, other = nn.Linear(3, 3), torch.randn(2, 3)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    with Tracer() as tracer:
        forgotten = layer(other.requires_grad_()).square().sum()  # a graph that nobody uses keeps the weight's entry
        for _ in range(3000):
            optimizer.zero_grad()
            layer(other).sum().backward()
            optimizer.step()
        entries = list(tracer._ledger._entries.values())
    del forgotten

    assert entries and all(len(each.writes) <= 1024 and len(each.saves) < 200 for each in entries)


def test_an_error_that_the_program_drops_keeps_nothing_alive():
    with Tracer():
        hidden = torch.randn(100, requires_grad=True).exp()
        storage = StorageWeakRef(hidden.untyped_storage())
        hidden += 1
        with contextlib.suppress(RuntimeError):
            hidden.sum().backward()
        del hidden
        gc.collect()

        assert storage.expired()


@pytest.mark.filterwarnings("ignore")
def test_the_writer_of_what_a_checkpoint_is_given_and_gives_back_is_told():
    """The error comes where the result is used; what must change is the first write to the argument."""
    run = traced(
        """
        from torch.utils.checkpoint import checkpoint

        def block(x):
            h = x * 2
            h += 1
            x += h  # write
            x.clamp_(max=5)
            return x

        x = torch.randn(3, requires_grad=True) * 1
        for _ in range(2):
            x = checkpoint(block, x, use_reentrant=True)
        x.sum().backward()
        """
    )
    place = run.offence.writes[0].place

    assert place is not None and {place.line} == run.lines("write")
    assert run.offence.rule == "" and "given to a checkpoint" in run.offence.note


def test_words_that_no_rule_knows_are_told_all_the_same():
    """Torch's sentences change between versions; the line and the message are known whatever they say."""
    words = "a tensor of some new kind must not be modified inplace here"
    run = traced(f"def step(x):\n    raise RuntimeError({words!r})  # write\nstep(1)")
    (write,) = run.offence.writes

    assert (run.offence.rule, run.offence.message) == ("", words)
    assert write.place is not None and {write.place.line} == run.lines("write")


# --- refused writes that the program has caught

CAUGHT = """
import logging, sys, traceback

w = torch.zeros(3, requires_grad=True)
failed = False
for _ in range(2):
    try:
        w.add_(1)  # write
    except RuntimeError:
        {shown}
        failed = True
sys.exit({code})
"""


@pytest.mark.parametrize("shown", ["traceback.print_exc()", "traceback.format_exc()", "logging.exception('a step')"])
def test_a_refused_write_that_is_shown_before_a_failing_exit_is_told(shown: str):
    run = traced(CAUGHT.format(shown=shown, code="failed"))
    (write,) = run.offence.writes

    assert run.offence.rule == "FIP202"
    assert write.place is not None and {write.place.line} == run.lines("write")


@pytest.mark.parametrize(("shown", "code"), [("traceback.print_exc()", "not failed"), ("pass", "failed")])
def test_a_refused_write_that_the_program_gets_over_is_its_own_affair(shown: str, code: str):
    assert traced(CAUGHT.format(shown=shown, code=code)).trace.offences == ()


def test_a_refused_write_that_is_shown_and_ends_the_program_is_told_once():
    shown = "logging.exception('a step'); raise SystemExit(1)"

    assert len(traced(CAUGHT.format(shown=shown, code=0)).trace.offences) == 1


def test_a_refused_write_that_is_shown_is_told_where_no_backward_was_spoilt():
    spoilt = "h = (w * 1).exp(); h += 1\ntry:\n    h.sum().backward()\nexcept RuntimeError:\n    failed = True\n"
    program = CAUGHT.format(shown="traceback.print_exc()", code="failed").replace("sys.exit", f"{spoilt}sys.exit")

    assert traced(program).offence.save is not None


def test_the_module_that_writes_what_a_hook_wraps_is_told_with_where_it_was_built():
    run = traced(
        """
        net = nn.Sequential(nn.Linear(3, 3), nn.ReLU(inplace=True), nn.Linear(3, 1))  # built
        net[0].register_full_backward_hook(lambda module, inputs, outputs: None)
        net(torch.randn(2, 3)).sum().backward()  # write
        """
    )
    (write,) = run.offence.writes

    assert run.offence.rule == "FIP209" and "register_hook" in run.offence.note
    assert write.place is not None and {write.place.line} == run.lines("write")
    assert write.origin is not None and {write.origin.line} == run.lines("built")
    assert write.origin.text == "nn.ReLU(inplace=True)" and write.module == "ReLU 1"


# --- what is left behind


def test_everything_is_put_back():
    def state() -> list[object]:
        tensor, graph = vars(torch.Tensor), torch.autograd.graph
        return [
            graph._engine_run_backward, torch.autograd._engine_run_backward, graph.disable_saved_tensors_hooks,
            graph.increment_version, graph.saved_tensors_hooks.__enter__, graph.saved_tensors_hooks.__exit__,
            torch.autograd.function.FunctionCtx.mark_dirty, threading.Thread._bootstrap_inner, threading.Thread.run,
            nn.Module.__init__, traceback.TracebackException.__init__, torch.from_numpy, torch.from_dlpack,
            *(tensor.get(name) for name in ("data", "detach_", "numpy", "__array__", "__dlpack__")),
        ]  # fmt: skip

    before = state()
    with pytest.raises(ZeroDivisionError), Tracer():
        assert state() != before
        raise ZeroDivisionError

    assert state() == before
    x = torch.randn(3, requires_grad=True) * 1
    out = x.square()
    x += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_a_tracer_inside_another():
    with Tracer() as outer:
        with Tracer() as inner:
            x = torch.randn(3, requires_grad=True).exp()
            x += 1
            with pytest.raises(RuntimeError, match="modified by an inplace operation"):
                x.sum().backward()
        y = torch.randn(3, requires_grad=True).exp()
        y *= 1
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.sum().backward()

    assert [each.writes[0].op for each in inner.trace().offences] == ["add_"]
    assert [each.writes[0].op for each in outer.trace().offences] == ["mul_"]


@BOTH
def test_another_error_stays_what_it_is(options: Options):
    run = traced("raise KeyError('mine')", options)

    assert isinstance(run.error, KeyError) and run.trace.offences == ()


OWN_SHAPES = {
    "without vmap": ("out = torch.zeros(2)", "out += torch.ones(3, 2)"),
    "a value that is not batched": ("out = torch.zeros(2)", "out += torch.ones(3, 2)"),
    "a target that is batched": ("out = x.clone()", "out += torch.ones(4, 2)"),
    "more than the batch is too much": ("out = torch.zeros(1)", "out += x"),
}


@pytest.mark.parametrize("name", OWN_SHAPES)
@pytest.mark.filterwarnings("ignore")
def test_a_shape_that_is_wrong_by_itself_is_no_write_under_vmap(name: str):
    made, write = OWN_SHAPES[name]
    call = "error(torch.ones(3, 2))" if name == "without vmap" else "torch.vmap(error)(torch.ones(3, 2))"
    run = traced(f"""
    def error(x):
        {made}
        {write}
        return out

    {call}
    """)
    assert "doesn't match the broadcast shape" in str(run.error)
    assert run.trace.offences == ()


def test_a_handled_error_is_told_when_it_is_passed_on():
    tracer = Tracer(Options(own=lambda file: file == __file__))
    with tracer:
        leaf = torch.ones(2, requires_grad=True)
        try:
            leaf.add_(1)
        except RuntimeError as error:
            tracer.failed(error)
            tracer.failed(error)

    assert [each.rule for each in tracer.trace().offences] == ["FIP202"]


def test_an_error_raised_from_an_in_place_error_is_told():
    run = traced(
        """
        x = torch.ones(2, requires_grad=True)
        try:
            x += 1
        except RuntimeError as error:
            raise ValueError("no step") from error
        """
    )

    assert isinstance(run.error, ValueError) and run.offence.rule == "FIP202"


def test_torch_func_is_said_to_be_out_of_sight():
    run = traced("torch.func.grad(lambda x: (x ** 2).sum())(torch.ones(3))")

    assert len(run.trace.notes) == 1 and "torch.func" in run.trace.notes[0]


def test_no_write_is_cleared_while_the_writer_was_not_seen():
    run = traced(
        """
        def loss(p):
            h = torch.sigmoid(p * 2)
            h += 1
            return h.square().sum()
        torch.func.grad(loss)(torch.ones(3))
        """
    )

    assert [spot.standing for spot in run.trace.spots] == [Standing.PENDING]
    assert not run.offence.complete


def test_user_hooks_under_torch_func_are_refused_as_without_us():
    run = traced(
        """
        with torch.autograd.graph.save_on_cpu():
            torch.func.grad(lambda x: (x ** 2).sum())(torch.ones(3))
        """
    )

    assert isinstance(run.error, RuntimeError) and "saved tensor hooks" in str(run.error)


def test_threads_of_the_engine_have_no_caller():
    """Backwards nested deeper than 60 go on in threads that the engine starts, as those of a GPU do."""
    run = traced(
        """
        class Deep(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x, depth):
                ctx.depth = depth
                return x * 1

            @staticmethod
            def backward(ctx, gradient):
                if ctx.depth:
                    with torch.enable_grad():
                        inner = torch.ones(2, requires_grad=True).exp()
                        out = Deep.apply(inner.cumprod(0), ctx.depth - 1) + inner
                        out.sum().backward()
                return gradient, None

        Deep.apply(torch.ones(2, requires_grad=True) * 2, 70).sum().backward()
        """
    )

    assert (run.trace.offences, run.error) == ((), None)


@pytest.mark.parametrize(
    "body",
    [
        "h = torch.relu(t * 2)\n    h = h * 2\n    return h.square()",
        "h = t * 2\n    h += 1\n    return h.exp()",
        "h = (t * 2).exp()\n    k = h.clone()\n    k *= 2\n    return h + k.square()",
        "return norm(t.view(1, 3).repeat(4, 1)).square()",
        "return checkpoint(lambda u: u.exp() * 2, t * 2, use_reentrant=False).square()",
    ],
)
def test_a_checkpoint_that_is_right_is_not_blamed(body: str):
    text = "from torch.utils.checkpoint import checkpoint\nnorm = nn.BatchNorm1d(3)\n"
    text += f"def block(t):\n    {body}\nx = torch.randn(3, requires_grad=True)\n"
    text += "out = checkpoint(block, checkpoint(block, x, use_reentrant=False).sum() + x, use_reentrant=False)\n"
    for options in (Options(), Options(content=True)):
        run = traced(text + "out.sum().backward()\n", options)
        assert run.error is None and not run.trace.offences


def test_what_a_checkpoint_computed_again_is_let_go():
    kept = "from torch.utils.checkpoint import checkpoint\nx = torch.randn(3, requires_grad=True)\n"
    kept += "out = checkpoint(lambda t: t.exp().square(), x, use_reentrant=False)\n"
    tracer, space = Tracer(Options()), {"torch": torch}
    with tracer:
        exec(kept + "out.sum().backward(retain_graph=True)\n", space)
    pairs = list(tracer._saves._known)
    assert pairs and not any(each.saves or each.again for each in pairs)


@pytest.mark.parametrize("between", ["pass", "h = h + 1", "k = h.clone()\nk += 1", "h[:0] += 1"])
@pytest.mark.parametrize(
    "kept", ["ctx.x = x", "ctx.x = x.clone()", "ctx.x, ctx.n = x * 1, x.shape", "ctx.x = x.detach()"]
)
def test_attributes_of_ctx_that_stay_as_they_are_are_not_blamed(kept: str, between: str):
    text = f"""
class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        {kept}
        return x * 2

    @staticmethod
    def backward(ctx, g):
        return g * 2 + 0 * ctx.x

h = torch.randn(3, requires_grad=True) * 1
y = Twice.apply(h)
{between}
y.sum().backward()
"""
    run = traced(text)
    assert run.error is None and not run.trace.offences
