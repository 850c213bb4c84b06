"""Lambdas: read where they stand, for what they do whenever somebody calls them.

Note [Lambdas]
    A lambda runs nobody knows when, with whatever it is given.  What it calls and replaces counts from the start: an
    in-place module that it calls may write any tensor, a function that it calls has a caller that binds nothing.  What
    it binds stays inside, and what it writes itself is no site: there is no statement that could be rewritten.
"""

from __future__ import annotations

import ast

from fixinplace.detect.frame import Frame
from fixinplace.detect.index import parameter_names
from fixinplace.detect.placing import lost
from fixinplace.detect.values import OTHER, UNKNOWN, Value


def deferred(frame: Frame, node: ast.Lambda) -> Value:
    """The value of a lambda; see Note [Lambdas]."""
    for default in (*node.args.defaults, *node.args.kw_defaults):
        if default is not None:
            frame.evaluate(default)
    before, deferring = frame.state.copy(), frame.deferring
    frame.deferring = True
    for name in parameter_names(node):
        frame.state.names[name] = UNKNOWN
    lost(frame.program, [frame.evaluate(node.body)], "a lambda returns it")
    frame.state, frame.deferring = before, deferring
    return OTHER
