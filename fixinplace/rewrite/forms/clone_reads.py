"""`t[i] = t[i - 1] * w` in a loop: `t[i] = t[i - 1].clone() * w`."""

from __future__ import annotations

from fixinplace.rewrite.base import Case, Effect, Node, Rewrite, example


def _edit(case: Case, node: Node) -> Node:
    return node


REWRITE = Rewrite(
    name="clone-reads",
    rules=("FIP103", "FIP104", "FIP109"),
    what="Where a loop stores into a tensor, what is read of the tensor in the loop is cloned: "
    "`t[i] = t[i - 1].clone() * w`. A tensor that is kept before the loop is cloned once before it.",
    why="A slot is a view: what backward keeps of it is overwritten by the next store. A clone of the whole tensor in "
    "every round would make the cost quadratic.",
    safety="Safe if nobody else looks at the tensor and all stores in the function go through indices. Left alone "
    "where the loop reads the tensor as a whole.",
    examples=(
        example(
            """
            import torch


            def f(x):
                t = torch.zeros(3, 3)
                for i in range(1, 3):
                    t[i] = t[i - 1] * x[i] + 1
                return t
            """,
            """
            import torch


            def f(x):
                t = torch.zeros(3, 3)
                for i in range(1, 3):
                    t[i] = t[i - 1].clone() * x[i] + 1
                return t
            """,
        ),
        example(
            """
            import torch


            def f(x):
                h = x.exp()
                for i in range(1, 3):
                    h[i] += torch.relu(h[i - 1] @ x)
                return h
            """,
            """
            import torch


            def f(x):
                h = x.exp()
                h = h.clone()
                for i in range(1, 3):
                    h[i] += torch.relu(h[i - 1].clone() @ x)
                return h
            """,
        ),
    ),
    effect=Effect.COPY,
    takes=lambda case, node: False,
    edit=_edit,
    cost="a clone of each slot that is read",
)
