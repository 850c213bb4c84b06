"""`out[i] = v` in a loop over all slots of a new `out`: `rows.append(v)`, and `out = torch.stack(rows)` behind it."""

from __future__ import annotations

from fixinplace.rewrite.base import Case, Effect, Node, Rewrite, example


def _edit(case: Case, node: Node) -> Node:
    return node


REWRITE = Rewrite(
    name="stack-slots",
    rules=("FIP109",),
    what="A loop that fills a new tensor slot by slot, each once and in order, collects the slots in a list: "
    "`out[i] = v` becomes `rows.append(v)`, and `out = torch.stack(rows).to(out)` follows the loop.",
    why="Each store is a node of its own in the graph and hands on the gradient of all of `out`; one stack is not.",
    safety="Never called safe: a store broadcasts its value, and a stack does not.",
    examples=(
        example(
            """
            import torch
            from torch import nn


            def f(x):
                w = nn.Parameter(torch.ones(3))
                out = torch.zeros(3, 3, 3)
                for i in range(3):
                    out[i] = torch.sin(x) * w[i]
                return out * out
            """,
            """
            import torch
            from torch import nn


            def f(x):
                w = nn.Parameter(torch.ones(3))
                out = torch.zeros(3, 3, 3)
                out_rows = []
                for i in range(3):
                    out_rows.append(torch.sin(x) * w[i])
                out = torch.stack(out_rows).to(out)
                return out * out
            """,
        ),
        example(
            """
            import torch
            from torch import nn


            def f(x):
                w = nn.Parameter(torch.ones(1))
                n = len(x)
                states = torch.empty(3, n)
                h = x[0] * w
                for t in range(n):
                    h = torch.tanh(h + x[t])
                    states[:, t] = h
                return states
            """,
            """
            import torch
            from torch import nn


            def f(x):
                w = nn.Parameter(torch.ones(1))
                n = len(x)
                states = torch.empty(3, n)
                h = x[0] * w
                states_rows = []
                for t in range(n):
                    h = torch.tanh(h + x[t])
                    states_rows.append(h.clone())
                if states_rows:
                    states = torch.stack(states_rows, dim=1).to(states)
                return states
            """,
        ),
    ),
    effect=Effect.COPY,
    takes=lambda case, node: False,
    edit=_edit,
    cost="a list of all slots, stacked once",
)
