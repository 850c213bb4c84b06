"""Small programs with one in-place bug each; comments mark the lines that save, write and ask for the backward.

The names of the tables say what torch makes of the programs without the tracer.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Situation:
    """A program and the rule that the tracer must give; "" where the construct of the write names it.

    piece: the text of the writing piece. content: only found in content mode.
    """

    name: str
    text: str
    rule: str = ""
    piece: str = ""
    content: bool = False


DIES = (
    Situation(
        "residual scaled by hand",
        """
        x = torch.randn(3, 4, requires_grad=True)
        h = x + 1
        energy = h.square()  # save
        h *= 0.5  # write
        energy.sum().backward()  # backward
        """,
        piece="h *= 0.5",
    ),
    Situation(
        "a gate's output",
        """
        gate = torch.sigmoid(torch.randn(5, requires_grad=True))  # save
        gate.clamp_(0.1, 0.9)  # write
        gate.mean().backward()  # backward
        """,
        piece="gate.clamp_(0.1, 0.9)",
    ),
    Situation(
        "an in-place module in a Sequential",
        """
        class Head(nn.Module):
            def __init__(self):
                super().__init__()
                self.body = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.LeakyReLU(0.2, inplace=True))

            def forward(self, x):
                return self.body(x)  # save write

        head = Head()
        head(torch.randn(2, 4)).sum().backward()  # backward
        """,
        piece="self.body(x)",
    ),
    Situation(
        "a view of what was saved",
        """
        scores = torch.randn(4, 3, requires_grad=True).exp()  # save
        first = scores[0]
        first.add_(1.0)  # write
        scores.sum().backward()  # backward
        """,
    ),
    Situation(
        "the base of what was saved",
        """
        frames = torch.randn(4, 4, requires_grad=True) * 2
        flat = frames.view(-1)
        power = flat ** 3  # save
        frames.sub_(flat.mean().detach())  # write
        power.sum().backward()  # backward
        """,
    ),
    Situation(
        "a store into what was saved",
        """
        probabilities = torch.randn(4, 3, requires_grad=True).softmax(-1)  # save
        probabilities[:, 0] = 0  # write
        probabilities.sum().backward()  # backward
        """,
        piece="probabilities[:, 0]",
    ),
    Situation(
        "a masked store",
        """
        depth = torch.randn(6, requires_grad=True).exp()  # save
        mask = depth.detach() > 1
        depth[mask] = 1.0  # write
        depth.sum().backward()  # backward
        """,
    ),
    Situation(
        "an augmented assignment to elements is one write",
        """
        keys = torch.randn(4, 3, requires_grad=True).exp()  # save
        keys[0] += 1  # write
        keys.sum().backward()  # backward
        """,
        piece="keys[0] += 1",
    ),
    Situation(
        "slots of one buffer",
        """
        x = torch.randn(3, 4, requires_grad=True)
        states = torch.zeros(3, 4)
        states[0] = x[0]
        power = states[0].square()  # save
        states[1] = x[1]  # write
        power.sum().backward()  # backward
        """,
    ),
    Situation(
        "what a custom Function keeps",
        """
        class Square(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x * x

            @staticmethod
            def backward(ctx, gradient):
                (x,) = ctx.saved_tensors
                return 2 * x * gradient

        h = torch.randn(3, requires_grad=True) * 2
        out = Square.apply(h)  # save
        h.neg_()  # write
        out.sum().backward()  # backward
        """,
    ),
    Situation(
        "a custom Function that marks what it writes",
        """
        class Double(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                x.mul_(2)  # write
                ctx.mark_dirty(x)
                return x

            @staticmethod
            def backward(ctx, gradient):
                return 2 * gradient

        h = torch.randn(3, requires_grad=True).exp()  # save
        out = Double.apply(h)
        out.sum().backward()  # backward
        """,
        piece="x.mul_(2)",
    ),
    Situation(
        "a custom Function that does not",
        """
        class Double(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                x.mul_(2)  # write
                return x

            @staticmethod
            def backward(ctx, gradient):
                return 2 * gradient

        h = torch.randn(3, requires_grad=True).exp()  # save
        out = Double.apply(h)
        out.sum().backward()  # backward
        """,
        "FIP210",
    ),
    Situation(
        "the generator's loss after the critic's step",
        """
        critic, generator = nn.Linear(4, 1), nn.Linear(2, 4)
        optimizer = torch.optim.SGD(critic.parameters(), lr=0.1)
        fake = generator(torch.randn(3, 2))
        verdict = critic(fake).mean()  # save
        optimizer.zero_grad()
        verdict.backward(retain_graph=True)
        optimizer.step()  # write
        (-verdict).backward()  # backward
        """,
        "FIP201",
    ),
    *(
        Situation(
            f"step before backward, {name}",
            f"""
            model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))
            optimizer = torch.optim.{call}
            loss = model(torch.randn(3, 4)).mean()  # save
            loss.backward(retain_graph=True)
            optimizer.step()  # write
            loss.backward()  # backward
            """,
            "FIP201",
        )
        for name, call in (
            ("SGD in a loop", "SGD(model.parameters(), lr=0.1, foreach=False)"),
            ("AdamW in a loop", "AdamW(model.parameters(), foreach=False)"),
            ("SGD foreach", "SGD(model.parameters(), lr=0.1, momentum=0.9, foreach=True)"),
            ("Adam foreach", "Adam(model.parameters(), foreach=True)"),
        )
    ),
    Situation(
        "weights updated by hand",
        """
        x, w = torch.randn(3, 4), torch.randn(4, 2, requires_grad=True)
        loss = (x @ (w * w)).sum()  # save
        with torch.no_grad():
            w -= 0.1  # write
        loss.backward()  # backward
        """,
        "FIP201",
    ),
    Situation(
        "weights initialised too late",
        """
        x, w = torch.randn(3, 4), torch.randn(4, 2, requires_grad=True)
        loss = (w * w).sum()  # save
        nn.init.xavier_uniform_(w)  # write
        loss.backward()  # backward
        """,
    ),
    Situation(
        "gradients clipped before the penalty's backward",
        """
        layer = nn.Linear(4, 4)
        layer(torch.randn(2, 4)).square().sum().backward(create_graph=True)
        penalty = sum(p.grad.square().sum() for p in layer.parameters())  # save
        nn.utils.clip_grad_norm_(layer.parameters(), 1e-3)  # write
        penalty.backward()  # backward
        """,
    ),
    Situation(
        "gradients accumulated before the penalty's backward",
        """
        w = torch.randn(4, requires_grad=True)
        w.square().sum().backward()
        penalty = (w * w.grad).sum()  # save
        w.pow(3).sum().backward()  # write
        penalty.backward()  # backward
        """,
    ),
    Situation(
        "through detach",
        """
        h = torch.randn(3, requires_grad=True) * 1
        out = h ** 2  # save
        h.detach().add_(1)  # write
        out.sum().backward()  # backward
        """,
    ),
    Situation(
        "in a tensor hook, during the backward",
        """
        h = torch.randn(3, requires_grad=True) * 1
        squared = h ** 2  # save
        top = squared * 3

        def hook(gradient):
            h.detach().mul_(2)  # write

        top.register_hook(hook)
        top.sum().backward()  # backward
        """,
    ),
    Situation(
        "in the backward of a custom Function",
        """
        class Scale(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x * x

            @staticmethod
            def backward(ctx, gradient):
                (x,) = ctx.saved_tensors
                return x.mul_(2) * gradient  # write

        h = torch.randn(3, requires_grad=True) * 1
        cube = h ** 3  # save
        square = Scale.apply(h)
        (square.sum() + cube.sum()).backward()  # backward
        """,
        piece="x.mul_(2)",
    ),
    Situation(
        "out=",
        """
        x, scale = torch.randn(3, requires_grad=True), torch.rand(3)
        scaled = x * scale  # save
        torch.add(scale, 1.0, out=scale)  # write
        scaled.sum().backward()  # backward
        """,
    ),
    Situation(
        "a functional with inplace",
        """
        h = torch.tanh(torch.randn(3, requires_grad=True))  # save
        out = F.hardtanh(h, -0.5, 0.5, inplace=True)  # write
        out.sum().backward()  # backward
        """,
        piece="F.hardtanh(h, -0.5, 0.5, inplace=True)",
    ),
    Situation(
        "dropout by position",
        """
        h = torch.tanh(torch.randn(8, requires_grad=True))  # save
        F.dropout(h, 0.5, True, True).sum().backward()  # write backward
        """,
        piece="F.dropout(h, 0.5, True, True)",
    ),
    Situation(
        "one call of three on a line",
        """
        a, b = torch.randn(3, requires_grad=True) * 1, torch.randn(3, requires_grad=True) * 1
        out = b.square()  # save
        pair = (a.add_(1), b.mul_(2), a.neg_())  # write
        out.sum().backward()  # backward
        """,
        piece="b.mul_(2)",
    ),
    Situation(
        "a call over several lines",
        """
        h = torch.randn(3, requires_grad=True) * 1
        out = h.square()  # save
        r = (h  # write
             .detach()
             .add_(
                 1.0
             ))
        out.sum().backward()  # backward
        """,
        piece="h # write .detach() .add_( 1.0 )",
    ),
    Situation(
        "columns behind an umlaut",
        """
        größe = torch.randn(3, requires_grad=True) * 1
        out = größe.square()  # save
        übung = "ä"; größe.mul_(2)  # write
        out.sum().backward()  # backward
        """,
        piece="größe.mul_(2)",
    ),
    Situation(
        "a slot of a dictionary, through an attribute",
        """
        class Cache:
            def __init__(self, x):
                self.kept = {"key": x * 1}

        cache = Cache(torch.randn(3, requires_grad=True))
        out = cache.kept["key"].exp() * cache.kept["key"]  # save
        cache.kept["key"] += 1  # write
        out.sum().backward()  # backward
        """,
    ),
    Situation(
        "set_",
        """
        h = torch.randn(3, requires_grad=True) * 1
        out = h.square()  # save
        with torch.no_grad():
            h.set_(torch.zeros(3))  # write
        out.sum().backward()  # backward
        """,
    ),
    Situation(
        "resize_",
        """
        x, scale = torch.randn(4, requires_grad=True), torch.rand(4)
        out = x * scale  # save
        scale.resize_(2, 2)  # write
        out.sum().backward()  # backward
        """,
    ),
    Situation(
        "a transposition in place",
        """
        x, w = torch.randn(3, 3, requires_grad=True), torch.rand(3, 3)
        out = x @ w  # save
        w.t_()  # write
        out.sum().backward()  # backward
        """,
    ),
    Situation(
        "max_norm of an embedding",
        """
        table = torch.randn(5, 3, requires_grad=True)
        power = table.square().sum()  # save
        F.embedding(torch.tensor([0, 3]), table.detach(), max_norm=0.1)  # write
        power.backward()  # backward
        """,
    ),
    Situation(
        "autograd.grad",
        """
        x = torch.randn(3, requires_grad=True)
        h = x * 1
        out = h.square()  # save
        h.zero_()  # write
        torch.autograd.grad(out.sum(), x)  # backward
        """,
    ),
    Situation(
        "foreach",
        """
        h = torch.randn(3, requires_grad=True) * 1
        out = h.square()  # save
        torch._foreach_mul_([h], 2.0)  # write
        out.sum().backward()  # backward
        """,
    ),
    Situation(
        "TorchScript",
        """
        @torch.jit.script
        def shift(x):
            x.add_(1)
            return x

        h = torch.randn(3, requires_grad=True) * 1
        out = h.square()  # save
        shift(h)  # write
        out.sum().backward()  # backward
        """,
    ),
    Situation(
        "another thread",
        """
        import threading

        class Worker(threading.Thread):
            def run(self):
                h.detach().add_(1)  # write

        h = torch.randn(3, requires_grad=True) * 1
        out = h.square()  # save
        worker = Worker()
        worker.start()
        worker.join()
        out.sum().backward()  # backward
        """,
    ),
    Situation(
        "a pool of threads",
        """
        from concurrent.futures import ThreadPoolExecutor

        h = torch.randn(3, requires_grad=True) * 1
        out = h.square()  # save
        with ThreadPoolExecutor(1) as pool:
            pool.submit(lambda: h.detach().add_(1)).result()  # write
        out.sum().backward()  # backward
        """,
    ),
    Situation(
        "a whole step in a thread",
        """
        import threading

        failed = []

        def step():
            h = torch.randn(3, requires_grad=True) * 1
            out = h.square()  # save
            h += 1  # write
            try:
                out.sum().backward()  # backward
            except RuntimeError as error:
                failed.append(error)

        worker = threading.Thread(target=step)
        worker.start()
        worker.join()
        raise failed[0]
        """,
    ),
    Situation(
        "the input of a checkpointed region",
        """
        from torch.utils.checkpoint import checkpoint

        h = torch.randn(3, requires_grad=True) * 1
        out = checkpoint(torch.square, h, use_reentrant=False)  # save
        h.mul_(2)  # write
        out.sum().backward()  # backward
        """,
    ),
    Situation(
        "the input of a reentrant checkpointed region",
        """
        from torch.utils.checkpoint import checkpoint

        h = torch.randn(3, requires_grad=True) * 1
        out = checkpoint(torch.square, h, use_reentrant=True)  # save
        h.mul_(2)  # write
        out.sum().backward()  # backward
        """,
    ),
    Situation(
        "inside a checkpointed region",
        """
        from torch.utils.checkpoint import checkpoint

        def block(x):
            h = torch.sigmoid(x)  # save
            h.mul_(2)  # write
            return h

        out = checkpoint(block, torch.randn(3, requires_grad=True), use_reentrant=True)
        out.sum().backward()  # backward
        """,
    ),
    Situation(
        "after torch.func has run",
        """
        h = torch.randn(3, requires_grad=True) * 1
        torch.func.grad(lambda a: (a ** 2).sum())(h.detach())
        torch.func.vmap(torch.sin)(h.detach())
        value, pull = torch.func.vjp(torch.cos, h.detach())
        pull(value)
        out = h.square()  # save
        h.mul_(2)  # write
        out.sum().backward()  # backward
        """,
    ),
    Situation(
        "under autocast",
        """
        layer = nn.Linear(4, 4)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            h = torch.sigmoid(layer(torch.randn(2, 4)))  # save
            h += 1  # write
        h.float().sum().backward()  # backward
        """,
    ),
    Situation(
        "double backward",
        """
        x = torch.randn(3, requires_grad=True)
        h = x * 1
        (slope,) = torch.autograd.grad((h ** 3).sum(), h, create_graph=True)  # save
        slope.square().sum().backward(retain_graph=True)
        h.detach().add_(1)  # write
        slope.sum().backward()  # backward
        """,
    ),
    Situation(
        "retain_graph, then a write",
        """
        h = torch.randn(3, requires_grad=True) * 1
        out = h.square().sum()  # save
        out.backward(retain_graph=True)
        h.detach().zero_()  # write
        out.backward()  # backward
        """,
    ),
    Situation(
        "hidden state that carries its graph",
        """
        cell = nn.RNNCell(3, 3)
        optimizer = torch.optim.SGD(cell.parameters(), lr=0.1)
        state = torch.zeros(1, 3)
        for step in range(3):
            state = cell(torch.randn(1, 3), state)  # save
            optimizer.zero_grad()
            state.sum().backward(retain_graph=True)  # backward
            optimizer.step()  # write
        """,
        "FIP207",
    ),
    Situation(
        "a buffer that every forward overwrites",
        """
        class Whiten(nn.Module):
            def __init__(self):
                super().__init__()
                self.register_buffer("scale", torch.ones(3))

            def forward(self, x):
                with torch.no_grad():
                    self.scale.mul_(0.9).add_(x.std(0), alpha=0.1)  # write
                return x * self.scale  # save

        whiten = Whiten()
        w = torch.randn(4, 3, requires_grad=True)
        one = whiten(w)
        two = whiten(w + 1)
        (one.sum() + two.sum()).backward()  # backward
        """,
        "FIP208",
    ),
    Situation(
        "an index that moves on",
        """
        table = torch.randn(6, 2, requires_grad=True)
        rows = torch.tensor([0, 1])
        picked = table[rows]  # save
        rows += 2  # write
        picked.sum().backward()  # backward
        """,
        "FIP213",
    ),
    Situation(
        "a mask that is used again",
        """
        x = torch.randn(4, requires_grad=True)
        mask = torch.tensor([True, False, True, False])
        kept = torch.where(mask, x, 0.0)  # save
        mask.logical_not_()  # write
        kept.sum().backward()  # backward
        """,
        "FIP213",
    ),
    Situation(
        "a version moved by hand",
        """
        h = torch.randn(3, requires_grad=True) * 1
        out = h.square()  # save
        torch.autograd.graph.increment_version(h)  # write
        out.sum().backward()  # backward
        """,
    ),
    Situation(
        "under a function mode",
        """
        with torch.device("cpu"):
            h = torch.randn(3, requires_grad=True) * 1
            out = h.square()  # save
            h += 1  # write
            out.sum().backward()  # backward
        """,
    ),
    Situation(
        "a subclass that overrides every function",
        """
        class Watched(torch.Tensor):
            @classmethod
            def __torch_function__(cls, function, types, args=(), kwargs=None):
                return super().__torch_function__(function, types, args, kwargs or {})

        h = (torch.randn(3, requires_grad=True) * 1).as_subclass(Watched)
        out = h.square()  # save
        h.add_(1)  # write
        out.sum().backward()  # backward
        """,
    ),
    Situation(
        "under vmap, and written outside",
        """
        h = torch.randn(3, requires_grad=True) * 1
        out = torch.func.vmap(torch.square)(h)  # save
        h += 1  # write
        out.sum().backward()  # backward
        """,
    ),
    Situation(
        "a saved tensor that the program looks at",
        """
        h = torch.randn(3, requires_grad=True) * 1
        out = h.square()  # save
        h += 1  # write
        out.grad_fn._saved_self  # backward
        """,
    ),
    Situation(
        "detached in place",
        """
        h = torch.randn(3, requires_grad=True) * 1
        out = h.square()  # save
        h.detach_()  # write
        out.sum().backward()  # backward
        """,
    ),
)

SILENT = (
    Situation(
        "through data",
        """
        h = torch.randn(3, requires_grad=True) * 1
        out = h.square()  # save
        h.data.mul_(2)  # write
        out.sum().backward()  # backward
        """,
        "FIP301",
    ),
    Situation(
        "through dlpack",
        """
        h = torch.randn(3, requires_grad=True) * 1
        out = h.square()  # save
        foreign = torch.from_dlpack(h.detach().__dlpack__())
        foreign.zero_()  # write
        out.sum().backward()  # backward
        """,
        "FIP302",
    ),
    Situation(
        "a numpy array seen as a tensor again",
        """
        h = torch.randn(3, requires_grad=True) * 1
        out = h.square()  # save
        torch.from_numpy(h.detach().numpy()).zero_()  # write
        out.sum().backward()  # backward
        """,
        "FIP302",
    ),
    Situation(
        "another storage for a parameter",
        """
        x, w = torch.randn(3, 4, requires_grad=True), torch.randn(4, 2, requires_grad=True)
        out = (x @ w).sum()  # save
        w.data = torch.zeros(4, 2)  # write
        out.backward()  # backward
        """,
        "FIP303",
    ),
    Situation(
        "a batch norm that goes on learning",
        """
        norm = nn.BatchNorm1d(3).eval()
        out = norm(torch.randn(4, 3, requires_grad=True))  # save
        norm.train()
        norm(torch.randn(4, 3) * 10)  # write
        out.sum().backward()  # backward
        """,
        "FIP305",
    ),
    *(
        Situation(
            f"a fused step on the CPU, {name}",
            f"""
            layer = nn.Linear(4, 4)
            optimizer = torch.optim.{name}(layer.parameters(), lr=0.5, fused=True)
            loss = layer(torch.randn(2, 4, requires_grad=True)).square().sum()  # save
            loss.backward(retain_graph=True)
            optimizer.step()  # write
            loss.backward()  # backward
            """,
            "FIP306",
        )
        for name in ("Adam", "SGD")
    ),
    Situation(
        "saved on the CPU, which is where it is",
        """
        h = torch.randn(3, requires_grad=True) * 1
        with torch.autograd.graph.save_on_cpu():
            out = h.square()  # save
        h.mul_(2)  # write
        out.sum().backward()  # backward
        """,
        "FIP307",
    ),
    Situation(
        "hooks that keep the tensor itself",
        """
        h = torch.randn(3, requires_grad=True) * 1
        with torch.autograd.graph.saved_tensors_hooks(lambda t: t.detach(), lambda t: t):
            out = h.square()  # save
        h += 1  # write
        out.sum().backward()  # backward
        """,
        "FIP307",
    ),
    Situation(
        "an attribute of ctx",
        """
        class Swish(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.x, ctx.s = x, torch.sigmoid(x)
                return x * ctx.s
            @staticmethod
            def backward(ctx, g):
                return g * (ctx.s + ctx.x * ctx.s * (1 - ctx.s))
        h = torch.randn(3, requires_grad=True) * 1
        y = Swish.apply(h)  # save
        h += 1  # write
        (y + h).sum().backward()  # backward
        """,
        "FIP210",
    ),
    Situation(
        "inside a checkpoint, which computes it again",
        """
        from torch.utils.checkpoint import checkpoint
        def block(t):
            h = torch.tanh(t * 2)  # save
            h *= 2  # write
            return h.square()
        x = torch.randn(3, requires_grad=True)
        out = checkpoint(block, x, use_reentrant=False)
        out.sum().backward()  # backward
        """,
        "FIP307",
    ),
    Situation(
        "inside the second of two checkpoints",
        """
        from torch.utils.checkpoint import checkpoint
        def first(t):
            return (t * 2).exp()
        def second(t):
            h = torch.sigmoid(t)  # save
            h.add_(1)  # write
            return h.exp()
        x = torch.randn(3, requires_grad=True)
        out = checkpoint(second, checkpoint(first, x, use_reentrant=False), use_reentrant=False)
        out.sum().backward()  # backward
        """,
        "FIP307",
    ),
)
"""Programs that end, with a wrong gradient."""

REFUSED = (
    Situation(
        "a leaf",
        """
        model = nn.Sequential(nn.Linear(3, 2))
        model[0].bias += 1  # write
        """,
        "FIP202",
        piece="model[0].bias += 1",
    ),
    Situation(
        "a leaf, by a function",
        """
        x = torch.randn(3, requires_grad=True)
        F.relu(x, inplace=True)  # write
        """,
        "FIP202",
    ),
    Situation(
        "a view of a leaf",
        """
        conv = nn.Conv1d(1, 3, 1)
        rows = conv.bias.view(3, 1)
        rows[1] += 0.5  # write
        """,
        "FIP203",
    ),
    Situation(
        "elements of a leaf",
        """
        conv = nn.Conv1d(1, 3, 1)
        conv.bias[0] = 0.5  # write
        """,
        "FIP203",
    ),
    Situation(
        "one of two chunks",
        """
        h = torch.randn(2, 6, requires_grad=True) * 1
        mean, scale = h.chunk(2, dim=-1)  # view
        scale.clamp_(-1, 1)  # write
        """,
        "FIP204",
    ),
    Situation(
        "the variable of a loop",
        """
        image = torch.rand(3, 4, requires_grad=True) * 1
        for channel in image:  # view
            channel.sub_(0.5)  # write
        """,
        "FIP204",
    ),
    Situation(
        "one part of a split",
        """
        parts = (torch.randn(2, 6, requires_grad=True) * 1).split([2, 4], dim=1)  # view
        parts[1].mul_(3)  # write
        """,
        "FIP204",
    ),
    Situation(
        "an inference tensor is updated",
        """
        with torch.inference_mode():
            total = torch.zeros(3)
        total += 1  # write
        """,
        "FIP205",
    ),
    Situation(
        "an inference tensor is needed",
        """
        with torch.inference_mode():
            feature = torch.rand(3)
        out = torch.randn(3, requires_grad=True) * feature  # write
        """,
        "FIP205",
    ),
    Situation(
        "a view from a no_grad block",
        """
        h = torch.randn(3, 2, requires_grad=True) * 1
        with torch.no_grad():
            row = h[0]  # view
        row += 1  # write
        """,
        "FIP206",
    ),
    Situation(
        "detach_ on a view",
        """
        h = torch.randn(3, 2, requires_grad=True) * 1
        row = h[0]
        row.detach_()  # write
        """,
    ),
    Situation(
        "out= that requires grad",
        """
        h = torch.randn(3, requires_grad=True) * 1
        torch.mul(h, 2, out=h)  # write
        """,
    ),
    Situation(
        "overlapping memory",
        """
        row = torch.ones(1, 3).expand(2, 3)
        row.add_(1)  # write
        """,
    ),
    Situation(
        "input and output overlap",
        """
        x = torch.ones(6)
        x[1:].add_(x[:-1])  # write
        """,
    ),
    Situation(
        "the output of a hooked module",
        """
        layer = nn.Linear(3, 3)
        layer.register_full_backward_hook(lambda module, inputs, outputs: None)
        model = nn.Sequential(layer, nn.ReLU(inplace=True))
        model(torch.randn(2, 3))  # write
        """,
        "FIP209",
    ),
    Situation(
        "what a custom Function gives back as it was",
        """
        class Pass(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x.view(-1)

            @staticmethod
            def backward(ctx, gradient):
                return gradient

        out = Pass.apply(torch.randn(3, requires_grad=True) * 1)
        out.add_(1)  # write
        """,
    ),
    Situation(
        "vmap",
        """
        def error(x):
            out = torch.zeros(2)
            out[0] = x  # write
            return out

        torch.func.vmap(error)(torch.ones(3))
        """,
        "FIP211",
    ),
    Situation(
        "vmap, by the shape that the batch has",
        """
        def error(x):
            out = torch.zeros(2)
            out += x  # write
            return out

        torch.func.vmap(error)(torch.ones(3, 2))
        """,
        "FIP211",
    ),
    Situation(
        "vmap, into a row that is read back",
        """
        def error(x):
            out = torch.zeros(2)
            out[torch.tensor([0])] += x[0]  # write
            return out

        torch.func.vmap(error)(torch.ones(3, 2))
        """,
        "FIP211",
    ),
    Situation(
        "vmap in vmap",
        """
        def error(x):
            def inner(y):
                out = x.clone()
                out += y  # write
                return out

            return torch.func.vmap(inner)(torch.ones(4, 2))

        torch.func.vmap(error)(torch.ones(3, 2))
        """,
        "FIP211",
    ),
    Situation(
        "vmap, and an operator of many tensors",
        """
        def error(x):
            out = torch.zeros(2)
            out.addcmul_(x, x)  # write
            return out

        torch.func.vmap(error, randomness="same")(torch.ones(3, 2))
        """,
        "FIP211",
    ),
    Situation(
        "vmap, and the statistics of batch norm",
        """
        norm = torch.nn.BatchNorm1d(2)
        torch.func.vmap(lambda x: norm(x))(torch.ones(3, 4, 2))  # write
        """,
        "FIP211",
    ),
    Situation(
        "a tensor that a transform has captured",
        """
        total = torch.zeros(3)
        torch.func.grad(lambda x: total.add_(x).sum())(torch.ones(3))  # write
        """,
    ),
)
"""Writes that torch refuses at once."""
