"""Networks that a file reads back: `net = torch.load(path)` may be of any class of the file, whatever is mentioned.

Note [Handed objects]
    What a piece of a file does to an object that it is handed concerns the pieces that lead to it, and all that those
    lead to: one of them makes the object.  That code in another file hands it what this file keeps apart is assumed
    not to happen, as for Note [Pieces of a file].  An object that is read back, or of a class that a text names, is
    made by none of the pieces; where a file has such objects, what is handed on may be of any class.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from fixinplace import walking
from fixinplace.detect.index import dotted
from fixinplace.detect.single_lookups import found_objects
from fixinplace.walking import every, remembered, scope

_READS = ("load", "loads", "Unpickler")
_DATA = re.compile(r"(json|yaml|np|numpy|toml|tomllib|pandas|hub|sio|io|scipy|librosa|jit|onnx|cv2|wave|sf|audio)")
"""Owners of functions that read data, or what has no class of the file's."""
_STATE = ("load_state_dict", "load_pretrained", "len", "print", "items", "keys", "get", "state_dict", "pop")
_TABLE = re.compile(r"\w*(state|dict|ckpt|checkpoint|weight|param|pretrain|package|snapshot|saved|restore)\w*")
"""What the field calls a table of parameters, or of several."""
_METHODS = frozenset("eval train cuda cpu to float half double parameters modules children forward apply".split())
_STATES = ("state", "weight", "dict", "param", "pretrained", "checkpoint")
_NETWORK = re.compile(r"\w*(model|net|network|ema|module|generator|discriminator|encoder|decoder|backbone)\w*")


def is_load(call: ast.Call) -> bool:
    """True for `torch.load(path)` and its like, which may give an object of any class."""
    path = dotted(call.func)
    return path.rpartition(".")[2] in _READS and not path.endswith("hub.load")


@remembered
def loads_networks(tree: ast.Module) -> bool:
    """True if something that is read back may be a module: it is used other than by its keys, and as states."""
    above = walking.above(tree)
    loads = [call for call in every(tree, ast.Call) if is_load(call) and not _reads_data(call)]
    return any(_may_be_network(call, above, tree) for call in loads)


@remembered
def has_strangers(tree: ast.Module) -> bool:
    """True if some object may be of any class of the file: one that is read back, or made by a text; see above."""
    return loads_networks(tree) or bool(found_objects(tree))


def _reads_data(call: ast.Call) -> bool:
    owner = dotted(call.func).rpartition(".")[0]
    return any(_DATA.fullmatch(part) for part in owner.split("."))


def _may_be_network(node: ast.expr, above: Mapping[int, ast.AST], tree: ast.Module) -> bool:
    """True unless an expression, or the name that it is bound to, is only asked for entries, and given as a state."""
    match above.get(id(node)):
        case ast.Attribute(attr=attr) if attr in _STATE:
            return False
        case ast.Subscript(value=value, slice=ast.Constant(value=str())) if value is node:
            return _is_entry_of_network(node, above, tree)
        case ast.Call(func=func) if func is not node and dotted(func).rpartition(".")[2] in _STATE:
            return False
        case ast.Call(func=func) if func is not node and _takes_state(func):
            return False
        case ast.Assign(targets=[ast.Name(id=name)]) as bound:
            around = scope(bound, above) or tree
            uses = [one for one in every(around, ast.Name) if one.id == name and isinstance(one.ctx, ast.Load)]
            if _TABLE.fullmatch(name):
                return any(_is_entry_of_network(one, above, tree) or _runs(one, above) for one in uses)
            return any(_may_be_network(one, above, tree) for one in uses)
        case ast.For() | ast.comprehension() | ast.Compare() | ast.Expr():
            return False
    return True


def _is_entry_of_network(node: ast.expr, above: Mapping[int, ast.AST], tree: ast.Module) -> bool:
    """True for `checkpoint["model"].float()`."""
    match above.get(id(node)):
        case ast.Subscript(value=value, slice=ast.Constant(value=str(key))) as entry if value is node:
            return _NETWORK.fullmatch(key) is not None and _may_be_network(entry, above, tree)
    return False


def _runs(node: ast.expr, above: Mapping[int, ast.AST]) -> bool:
    """True for `found(x)` and `found.eval()`: what has such methods is a module."""
    match above.get(id(node)):
        case ast.Call(func=func):
            return func is node
        case ast.Attribute(attr=attr):
            return attr in _METHODS
    return False


def _takes_state(func: ast.expr) -> bool:
    """True for `load_weights(net, state)`, a function that is called after the states that it takes."""
    name = dotted(func).rpartition(".")[2].lower()
    return "load" in name and any(word in name for word in _STATES)
