"""What the pieces around a definition say of it: how it may be called, kept and looked at; see Note [Pieces of a file].

The flow through a function finds some of this out on its way, and notes it for the piece that it is in.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from fixinplace import walking
from fixinplace.detect import inward
from fixinplace.detect.elsewhere import is_made_elsewhere
from fixinplace.detect.hooking import asks_for_hooks, is_for_weights
from fixinplace.detect.index import all_imports, no_values
from fixinplace.detect.liveness import Function
from fixinplace.detect.mixing import (
    asks_for_dtypes,
    dtype_word,
    makes_complex,
    names,
    reshapes,
    sees_copies,
    sees_layouts,
)
from fixinplace.detect.pieces import Piece, Pieces, members
from fixinplace.detect.reaching import goes_through, only_sees
from fixinplace.detect.words import ENTERED, Said, said
from fixinplace.source import Text
from fixinplace.walking import every, walk

_HOOKS = re.compile(r"_*register(?!\w*(state_dict|backward))\w*_hook|_\w*forward\w*_hooks\w*")
"""What puts a hook on a module or a tensor.

Those for the loading and the saving of states see no tensor of a run, those for the way back see gradients alone.
"""


@dataclass(slots=True)
class Words:
    """What some pieces of a file say.

    doubts: reasons why nothing in them may be called safe. changes_mode, enters: see `words.Said`.
    dtype_word: what converts modules, or all that is made, to another dtype. mixes: they name dtypes, or numpy,
    so that what comes from code out of sight may have any.
    sees_layouts, sees_copies, tells_history: they use what depends on strides, on gaps, on the names of operations;
    shows_history: they print the latter, and no more; see Note [Names of operations].
    detaches: `detach_` is called, which takes no view. sets_attributes: `__setattr__` is named in whatever way.
    reshapes: some function changes the shape, the strides or the storage of a tensor. hooked: they have hooks of any
    kind, by their names. goes_through: they go through the parts of modules, and may call them.
    makes_complex: they may have complex tensors. inward: classes that go
    through their own parts alone, see Note [Own parts]. passed_on: names that
    are used as values, so that others call what they name.
    """

    doubts: dict[str, None] = field(default_factory=dict)
    changes_mode: bool = False
    enters: bool = False
    dtype_word: str | None = None
    mixes: bool = False
    sees_layouts: bool = False
    sees_copies: bool = False
    tells_history: bool = False
    shows_history: bool = False
    detaches: bool = False
    sets_attributes: bool = False
    reshapes: bool = False
    hooked: bool = False
    goes_through: bool = False
    makes_complex: bool = False
    inward: frozenset[str] = frozenset()
    passed_on: frozenset[str] = frozenset()

    def add(self, other: Words) -> None:
        """Take in what another says."""
        self.doubts |= other.doubts
        self.dtype_word = self.dtype_word or other.dtype_word
        self.inward |= other.inward
        self.passed_on |= other.passed_on
        for name in _MARKS:
            setattr(self, name, getattr(self, name) or getattr(other, name))


_MARKS = (
    "changes_mode", "enters", "mixes", "sees_layouts", "sees_copies", "tells_history", "shows_history",
    "detaches", "sets_attributes", "reshapes", "hooked", "goes_through", "makes_complex",
)  # fmt: skip


class Surroundings:
    """The words of every piece of a file, and of all that may have to do with it."""

    def __init__(self, part: Text, tree: ast.Module) -> None:
        self.pieces = Pieces(tree)
        self._around: dict[int, Words] = {}
        self._rest = Words()  # what concerns every piece
        self._own = [self._read(piece, tree, part) for piece in self.pieces.all]
        self._changes_mode = any(own.changes_mode for own in self._own)

    def at(self, node: ast.AST) -> int:
        """The piece that a node stands in."""
        return self.pieces.at(node)

    def words(self, piece: int) -> Words:
        """What all pieces say that may have to do with one; not to be changed."""
        around = self.pieces.around(piece)
        if around not in self._around:
            found = Words()
            found.add(self._rest)
            for each in members(around):
                found.add(self._own[each])
            if self._changes_mode and found.enters:
                found.doubts[ENTERED] = None
            self._around[around] = found
        return self._around[around]

    def led_to(self, piece: int) -> frozenset[str]:
        """The doubts that a piece and all that it leads to give rise to."""
        return frozenset(why for one in self.pieces.below(piece) for why in self._own[one].doubts)

    def note(self, piece: int, new: Words) -> None:
        """Add what was found out in a piece."""
        own = self._rest if piece < 0 else self._own[piece]
        before = (len(own.doubts), own.dtype_word, own.sees_copies, own.tells_history, own.shows_history)
        own.add(new)
        if before != (len(own.doubts), own.dtype_word, own.sees_copies, own.tells_history, own.shows_history):
            self._around.clear()

    def _read(self, piece: Piece, tree: ast.Module, part: Text) -> Words:
        found = said(piece.nodes, tree)
        own = _words(piece, found, tree, part)
        self._rest.doubts |= dict.fromkeys(found.lasting)
        if own.dtype_word and (found.open_to_all or not _is_definition(piece)):
            self._rest.dtype_word = self._rest.dtype_word or own.dtype_word
        return own

    def noted(self) -> Sequence[str | None]:
        """The words for dtypes, which decide what is read in another round."""
        return [self._rest.dtype_word, *(own.dtype_word for own in self._own)]


def _is_definition(piece: Piece) -> bool:
    return all(isinstance(node, Function | ast.ClassDef | ast.alias) for node in piece.nodes)


def _words(piece: Piece, found: Said, tree: ast.Module, part: Text) -> Words:
    called = list(dict.fromkeys(name for node in piece.nodes for name in names(node, tree)))
    spans = [part.span(node) for node in piece.nodes if isinstance(node, ast.stmt | ast.expr | ast.keyword)]
    paths = dict(all_imports(tree))
    imported = [paths[name] for name in piece.defines if piece.imports and name in paths]
    text = "\n".join([*(part.text[span.start : span.end] for span in spans), *imported])
    nodes = [one for node in piece.nodes for one in walk(node)]
    above = walking.above(tree)
    nodes = [one for one in nodes if not (is_for_weights(one, above, tree) or asks_for_hooks(one, above))]
    hooks = (getattr(one, "attr", "") or getattr(one, "name", "") or getattr(one, "id", "") for one in nodes)
    loads = {one.id for node in piece.nodes for one in _values(node)}
    return Words(
        dict.fromkeys(found.doubts),
        found.changes_mode,
        found.enters,
        dtype_word(called),
        asks_for_dtypes(called),
        sees_layouts(text),
        sees_copies(text),
        False,
        False,
        "detach_(" in text,
        "__setattr__" in text,
        reshapes(text),
        any(_HOOKS.fullmatch(name) is not None for name in hooks if isinstance(name, str)),
        any(goes_through(node, walking.above(tree), tree) for node in piece.nodes),
        makes_complex(text),
        inward.names(piece.nodes, walking.above(tree), tree, _leaves_alone),
        frozenset(loads) - no_values(piece.nodes),
    )


def _leaves_alone(node: ast.Attribute, above: inward.Parents, tree: ast.Module) -> bool:
    """True where parts are only looked at, or are those of a network that a library made."""
    return is_made_elsewhere(node.value, tree) or only_sees(node, above, tree)


def _values(node: ast.AST) -> list[ast.Name]:
    """Names that are not called."""
    called = {id(one.func) for one in every(node, ast.Call)}
    return [one for one in every(node, ast.Name) if id(one) not in called]
