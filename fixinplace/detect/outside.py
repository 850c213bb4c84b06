"""What may be believed of code in other files, by the habits of the field.

Note [Out of sight]
    What code that we cannot read returns may require grad, whatever it was given: it may hold parameters.  Known
    untracked is only what comes from libraries that know nothing of autograd, from torch's own functions over
    untracked tensors, or under grad mode off.  An instance of an unseen class that is called is mostly a module, and
    modules have parameters: its result is taken for tracked.  A plain unseen function over untracked tensors may be
    either, which is what `live=None` says.

    A class whose name says that it is a convolution, a linear layer or a norm, and a function that is said to build
    one, give what is treated like a class of torch's that is passed in; see Note [Given modules].  What scales channels
    (squeeze-and-excitation and its heirs) may hand on what it is given, as a dropout does.
"""

from __future__ import annotations

import ast
import re

from fixinplace.detect.kinds import Kind
from fixinplace.detect.values import Value

_WITHOUT_AUTOGRAD = frozenset(
    "numpy scipy PIL cv2 pandas random math cmath json os sys re time datetime logging pickle warnings pathlib skimage"
    " sklearn matplotlib struct string io glob shutil csv imageio h5py librosa soundfile seaborn statistics decimal"
    " fractions hashlib subprocess socket argparse textwrap uuid zlib gzip tarfile zipfile tempfile platform yaml"
    " torchaudio.io tensorboardX tensorboard wandb".split()
)
"""Libraries whose functions never give a tensor that requires grad, whatever they are given."""
LAYERS = "what other files call a convolution, a linear layer, a norm, a dropout or a gate is one, and keeps nothing"
_BUILDS = re.compile(r"_*(build|make|get|create)_\w+")
_LAYERS = {
    "torch.nn.Conv2d": re.compile(r"[Cc]onv(?!ert|erg|ers|ex|ey|[Nn]e[xXt])"),
    "torch.nn.Linear": re.compile(r"Linear(?!LR|Warmup|Schedule)|_linear"),
    "torch.nn.Dropout": re.compile(
        r"Drop(Path|Block|[Oo]ut)|StochasticDepth|_attn$|^SE[LMB_A-Z]|^SqueezeExcit|^CBAM|^E[Cc][Aa]"
    ),
    "torch.nn.BatchNorm2d": re.compile(r"(?<!Pre)(?<!Post)Norm(?!al)|_norm(?!al)|BN|_bn"),
}
_ARRAYS = ("scipy", "cv2", "skimage", "sklearn", "librosa")
_WRITING = ("fill", "write", "update", "copy_to", "copy_into", "assign", "scatter", "accumulate", "store")
_CALLS_BACK = ("func", "autograd", "utils", "jit", "compile", "vmap", "_dynamo", "distributed", "hub", "package",
               "load", "optim", "distributions", "export", "fx", "futures", "nn", "library", "ops", "classes", "cond",
               "while_loop", "_higher_order_ops", "multiprocessing", "testing")  # fmt: skip
"""Parts of torch that run what they are given, load it, or hold parameters."""


def is_without_autograd(path: str) -> bool:
    """True for a dotted path whose calls give tracked tensors only if they were given some."""
    head, _, rest = path.partition(".")
    if head == "torch":
        return rest.partition(".")[0] not in _CALLS_BACK
    return head in _WITHOUT_AUTOGRAD


def writes_by_name(name: str) -> bool:
    """True for the names that the field gives to functions that write into their arguments."""
    last = name.rsplit(".", 1)[-1]
    return (last.endswith("_") and not last.endswith("__")) or last.startswith(_WRITING)


def gives_arrays(path: str) -> bool:
    """True for libraries that compute on numpy arrays."""
    return path.partition(".")[0] in _ARRAYS


def is_class_name(path: str) -> bool:
    """True for the way the field writes classes: `Net`, `CBAM2d`, `net.ResNet`; not for `CACHE` or `make_net`."""
    last = path.rsplit(".", 1)[-1].lstrip("_")
    return last[:1].isupper() and any(c.islower() for c in last)


def is_unseen_class(path: str) -> bool:
    """True for a class of another file that may well be a module."""
    return is_class_name(path) and path.partition(".")[0] not in (*_WITHOUT_AUTOGRAD, "torch", "typing", "collections")


def layer(path: str) -> str:
    """The class of torch's that an instance stands for which a class, or a function, of another file makes; or ""."""
    last = path.rsplit(".", 1)[-1]
    if path.partition(".")[0] in (*_WITHOUT_AUTOGRAD, "torch") or not (is_class_name(path) or _BUILDS.fullmatch(last)):
        return ""
    return next((f"!{name}" for name, words in _LAYERS.items() if words.search(last)), "")


def part_by_name(name: str) -> str:
    """The class of torch's that a part of a network out of sight stands for, by its name: `resnet.conv1`; or ""."""
    return next((f"!{kind}" for kind, words in _PARTS.items() if words.fullmatch(name)), "")


_PARTS = {
    "torch.nn.Conv2d": re.compile(r"conv(_?\d+)*"),
    "torch.nn.Linear": re.compile(r"(fc|linear)\d*"),
    "torch.nn.BatchNorm2d": re.compile(r"(bn|norm|ln)\d*"),
}


def is_never_made(cls: ast.ClassDef) -> bool:
    """True for a stand-in whose constructor does nothing but raise: `class DropBlock2D: ...` of split attention."""
    match [one for one in cls.body if not isinstance(one, ast.Expr)]:
        case [ast.FunctionDef(name="__init__", body=[*_, ast.Raise()] as body)]:
            return all(isinstance(one, ast.Raise | ast.Expr) for one in body) and not cls.decorator_list
    return False


def is_open(value: Value) -> bool:
    """True for what may be a tensor for all we know: nothing is known, or its class is called like one."""
    return value.kind is Kind.UNKNOWN and (not value.name or value.name.endswith(("Tensor", "Variable", "Parameter")))
