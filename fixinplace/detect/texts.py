"""Texts made of tensors: which are only shown to people, and which the program may go on with.

Note [Names of operations]
    A tensor with a history is printed with the name of the operation that made it, and another form may have another
    name: `grad_fn=<AddBackward0>` for `grad_fn=<AsStridedBackward0>`.  What is printed or logged is for people, who
    see no other number; that nobody takes it in again is assumed, and said.  A text that is returned, kept, written
    to a file or caught on its way is a result like others.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from fixinplace.detect.index import dotted
from fixinplace.walking import every, remembered

_LOGS = frozenset("debug info warning error exception critical log warn".split())
_LOGGERS = re.compile(r"(.*\.)?_*(log|logger|logging|LOG|LOGGER|warnings)", re.ASCII)
_SHOWS = frozenset(("print", "pprint", "pprint.pprint", "tqdm.write", "sys.stdout.write", "sys.stderr.write"))
_CAUGHT = re.compile(
    r"\b(redirect_std(out|err)|StringIO|cap(sys|fd|log|ture)\w*|assertLogs|doctest|(Queue|Memory|Buffering)Handler)\b"
    r"|\bclass\s+\w+\s*\([^)]*Handler\b"
)
_PASSING = (ast.FormattedValue, ast.JoinedStr, ast.BinOp, ast.Tuple, ast.List, ast.Dict, ast.Starred)
_MAKES_TEXT = frozenset(("str", "repr", "format", "join", "dict", "list", "tuple"))


def is_caught(text: str) -> bool:
    """True if a file may take in what it prints."""
    return _CAUGHT.search(text) is not None


def is_shown(node: ast.AST, above: Mapping[int, ast.AST]) -> bool:
    """True for a text, or a call that makes one, which is printed or logged and goes nowhere else."""
    around: ast.AST | None = node
    while around is not None:
        parent = above.get(id(around))
        if isinstance(around, ast.Call) and _shows(around):
            return isinstance(parent, ast.Expr)
        passing = isinstance(around, _PASSING) or (isinstance(around, ast.Call) and _name(around) in _MAKES_TEXT)
        if not passing and around is not node:
            return False
        around = above.get(id(parent)) if isinstance(parent, ast.keyword) else parent
    return False


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else dotted(call.func)


def _shows(call: ast.Call) -> bool:
    path = dotted(call.func)
    if path in _SHOWS:
        streams = [dotted(k.value) for k in call.keywords if k.arg in ("file", "stream")]
        return all(one in ("sys.stdout", "sys.stderr") for one in streams) and all(k.arg for k in call.keywords)
    owner, _, method = path.rpartition(".")
    return method in _LOGS and _LOGGERS.fullmatch(owner) is not None


@remembered
def names_arguments(tree: ast.Module) -> frozenset[int]:
    """The keys in `lambda: ([3], {"layers": 4})`, by which tables of cases say what a class is to be made with."""
    bodies = (one.body for one in every(tree, ast.Lambda) if not ast.unparse(one.args))
    pairs = (one.elts for one in bodies if isinstance(one, ast.Tuple) and len(one.elts) == 2)
    tables = (pair[1] for pair in pairs if isinstance(pair[0], (ast.List, ast.Tuple)) and isinstance(pair[1], ast.Dict))
    return frozenset(id(key) for one in tables for key in one.keys if key is not None)
