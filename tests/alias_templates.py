"""What the programs of `alias_programs.py` are made of.

Holes: `x` a tensor's name, `n` a name to bind, `v` a view of some tensor, `e` a new tensor or number, `w` a write that
is an expression, `s` a statement, `i` an index, `l` a list's name, `f` a helper; one in capitals has one text
throughout its template.  `;;` ends a line, `>>` and `<<` go one level deeper and back.
"""

from __future__ import annotations

NAMES = ("x", "y", "z", "u", "v", "w")

HEAD = """import torch
import torch.nn.functional as F

KEPT = []


class Box:
    pass

"""

HELPERS = {
    "twice": "def twice(t: torch.Tensor):\n    t *= 2\n\n",
    "bump": "def bump(t: torch.Tensor):\n    t.add_(0.5)\n    return t\n\n",
    "same": "def same(t: torch.Tensor):\n    return t\n\n",
    "first": "def first(t: torch.Tensor):\n    return t[0]\n\n",
    "turned": "def turned(t: torch.Tensor):\n    return t.t()\n\n",
    "fresh": "def fresh(t: torch.Tensor):\n    s = t * 2\n    s += 1\n    return s\n\n",
    "keep": "def keep(t: torch.Tensor):\n    KEPT.append(t)\n    return t * 2\n\n",
    "zero_row": "def zero_row(t: torch.Tensor):\n    t[0] = 0.25\n    return t.sum()\n\n",
    "both": "def both(t: torch.Tensor):\n    return t, t.t()\n\n",
    "apart": "def apart(t: torch.Tensor):\n    s = t * 2\n    return s, s.sin()\n\n",
    "views": "def views(t: torch.Tensor):\n    s = t * 2\n    return s, s.view(-1), s\n\n",
    "mixed": "def mixed(t: torch.Tensor):\n    s = t * 2\n    return [s.sin(), t, s]\n\n",
}

START = ("x = a.exp()", "y = torch.sigmoid(b)")

_INDICES = (
    "0", "1:", ":, 1", "..., 0", "-1", ":, :2", ":2", "0, 1:", "None", "::2", "1:, 2:", "...", ":", "k", "k:",
    ":k", "2:", "..., 1:",
)  # fmt: skip
_METHODS = (
    "t()", "T", "mT", "transpose(0, 1)", "transpose(-1, -2)", "permute(1, 0)", "view(-1)", "view(4, 3)",
    "reshape(-1)",
    "reshape(4, 3)", "reshape(2, 6)", "flatten()", "unsqueeze(0)", "unsqueeze(-1)", "squeeze(0)", "squeeze()",
    "diagonal()", "diagonal(1)", "narrow(0, 1, 2)", "narrow(1, 0, 2)", "narrow(0, k, 1)", "select(0, 1)",
    "select(1, -1)", "select(0, k)", "expand(2, 3, 4)", "expand_as(y)", "unbind()[0]", "unbind(1)[1]", "chunk(2)[0]",
    "chunk(2, 1)[1]", "split(1)[0]", "split(2, 1)[0]", "split([1, 2])[1]", "swapaxes(0, 1)", "movedim(0, 1)",
    "unflatten(1, (2, 2))", "view_as(y)", "contiguous()", "detach()", "unfold(1, 2, 1)", "ravel()", "adjoint()",
    "type_as(y)", "to(y)", "view(x.shape)", "reshape(3, -1)", "reshape(y.shape)", "data",
    "view(k + 3, -1)", "real", "clone()", "as_strided((2, 2), (1, 2))", "requires_grad_()",
)  # fmt: skip

HOLES = {
    "v": (
        "{x}", "{x}[{i}]", "{x}.{m}", "{x}[{i}]", "{x}.{m}", "{x}.{m}", "{v}[{i}]", "{v}.{m}", "torch.t({x})",
        "torch.transpose({x}, 0, 1)", "torch.narrow({x}, 1, 1, 2)", "torch.select({x}, 0, 1)",
        "torch.chunk({x}, 2)[0]",
        "torch.diagonal({x})", "torch.squeeze({x})", "torch.atleast_2d({x})", "({x} if flag else {x})",
        "F.dropout({x}, 0.5, False)", "{l}[0]", "{f}({x})", "box.t", "table['k']", "torch.unbind({v})[0]",
        "torch.reshape({x}, (-1,))", "torch.broadcast_to({x}, (2, 3, 4))", "torch.real({x})", "torch.as_tensor({x})",
        "getattr({x}, 'mT')", "getattr({x}, 'view')(-1)", "abs({x})",
    ),
    "i": _INDICES,
    "m": _METHODS,
    "e": (
        "0.5", "{x}", "{x} * 0.3", "{x}.exp()", "{x}.sum()", "({x} + 1).mean()", "{v}", "{x} * {x}",
        "torch.tanh({x})",
        "{x}[0].sum()", "{v} * 2", "{v}.sum()", "{w}", "({n} := {x} * 2)", "({n} := {v})",
    ),
    "c": (
        "{X}.mul_({e})", "{X}.add_({e})", "{X}.relu_()", "{X}.exp_()", "{X}.sigmoid_()", "{X}.clamp_(max=0.9)",
        "{X}.zero_()", "{X}.fill_(0.5)", "{X}.copy_({e})", "{X}.masked_fill_({X} > 0.8, 0.1)", "{X}.neg_().abs_()",
        "{X}.add_({e}).mul_({e})", "torch.sigmoid_({X})", "torch.relu_({X})", "F.relu({X}, inplace=True)",
        "{X}.fill_diagonal_(0.5)", "{X}.index_fill_(0, torch.tensor([0]), 0.5)", "{X}.lerp_({e}, 0.3)",
        "{X}.addcmul_({x}, {x})", "{X}.uniform_()", "{X}[{i}].mul_({e})", "{X}[{i}].zero_()", "{X}.mul_({e}).t()",
        "{X}.sub_({e}).exp().add_({e})", "F.hardtanh({X}, 0.0, 0.9, True)", "F.leaky_relu_({X}, 0.1)",
        "{X}.index_add_(0, torch.tensor([1]), {x}[:1])", "{X}.masked_scatter_({X} > 0.8, {x})", "{X}.mul_({X})",
        "{X}.add_({X}.sum())", "{X}.t().add_({e})", "{X}.view(-1)[1:].mul_({e})",
    ),
    "w": ("{c}", "{c}", "{c}", "{v}.mul_({e})", "{v}.add_({e})", "{v}.zero_()", "{v}.relu_()"),
    "o": ("+", "*", "-", "/"),
}  # fmt: skip

_BINDINGS = (
    "{n} = {v}", "{n} = {v}", "{n} = {v}", "{n} = {x}", "{X}, {Y} = {Y}, {X}", "{n}, {n} = {x}.chunk(2)",
    "{n}, {n} = {x}, {v}", "{n}, {n}, {n} = {x}.unbind()", "{n}, {n}, {n} = {x}", "{n}, *rest = {x}",
    "{n}, {n} = torch.split({x}, 2)", "{n} = {n} = {v}", "{X} = {X}[{i}]", "{X} = {X}.{m}", "{X} = {X} * 2",
    "{n} = {x}.exp()", "{n} = ({n} := {v})", "del {x}", "{n} = {x} if flag else {x}", "k = 1", "k = 2", "k += 1",
    "{n}, {n} = {f}({x})", "{n}, {n} = apart({v})", "{n}, {n}, {n} = {f}({x})",
    "{n}: torch.Tensor = {v}", "{n} = {n} = {x} * {x}", "({n}, {n}), {n} = ({x}, {v}), {x}",
    "{n} = [{x}, {v}]", "box = Box();;box.t = {v}", "table = {'k': {v}}", "items = [{x}, {v}]",
)  # fmt: skip
_WRITES = (
    "{x} {o}= {e}", "{x} {o}= {e}", "{x} {o}= {e}", "{X} {o}= {X}.sum()", "{x}[{i}] = {e}", "{x}[{i}] {o}= {e}",
    "{x}[{i}] {o}= {e}", "{X}[{X} > 0.8] = 0.25", "{X}[{X} > 0.8] {o}= 2", "{c}", "{c}", "{c}", "{w}", "{w}",
    "{n} = {c}", "{X} = {X}.mul_({e})", "{n} = {c} * {e}", "{n} = {e} + {c}", "{n} = {n} = {c}", "{n} = {w}",
    "{x} {o}= {e}; {c}", "{n} = [{c}, {x}][0]", "{v}[{i}] = {e}", "{x}[{i}][{i}] = {e}", "{x}.t_()",
    "{x}.unsqueeze_(0)", "{x}.squeeze_()", "{x}.transpose_(0, 1)", "{n} = {x}.t_()", "{x}.data.mul_(2)",
    "{X}[0], {X}[1] = {e}, {e}", "{x}[{i}] = {x}[{i}] = {e}", "{x}[torch.tensor([0, 2])] = {e}",
    "{n} = [t.mul_(2) for t in ({x}, {x})][0]", "{n} = torch.stack([r * 2 for r in {x}])", "{n} = (lambda: {c})()",
    "{f}({x})", "{f}({v})", "{l}[0] += 1", "{l}[0].mul_({e})", "{l}.append({x})", "box.t += 1", "box.t.mul_({e})",
    "box.t[0] = {e}", "table['k'].add_(1)", "table['k'] *= 2", "items[1].mul_(2)", "items[0][0] = {e}",
    "KEPT.append({x})", "{n} = {x}.exp();;{n} = {x} * {x}", "{n} = {c} if flag else {x}", "flag and {c}",
    "torch.add({x}, 1, out={x})", "{x}{o}={e}", "{x}[ {i} ]={e}", "{n} = ({x}\n.relu_())",
)  # fmt: skip
STATEMENTS = (*_BINDINGS, *_WRITES, *_WRITES)

KIN = {
    "v": ("{x}[{i}]", "{x}.{m}", "{x}.{m}", "{x}", "{v}[{i}]", "{v}.{m}", "torch.t({x})",
    "torch.transpose({x}, 0, 1)", "torch.narrow({x}, 1, 1, 2)"),
    "i": (*_INDICES[:8], "1:, 2:", "k", "k:", ":k", "2:", ":1", "..., 1:", "::2", "-2:", "1, k"),
    "m": (
        "t()", "T", "mT", "transpose(0, 1)", "transpose(-1, -2)", "permute(1, 0)", "view(-1)", "view(4, 3)",
        "unsqueeze(0)", "unsqueeze(-1)", "squeeze(0)", "squeeze()", "diagonal()", "diagonal(-1)", "narrow(0, 1, 2)",
        "narrow(1, 0, 2)", "narrow(0, k, 1)", "select(0, 1)", "select(1, -1)", "select(0, k)", "unbind()[0]",
        "unbind(1)[1]", "chunk(2)[0]", "split(2, 1)[0]", "swapaxes(0, 1)", "movedim(0, 1)", "unflatten(1, (2, 2))",
        "view(x.shape)", "view(y.size(0), -1)", "expand(2, 3, 4)", "expand(3, 4)", "adjoint()", "permute(1, 2, 0)",
        "transpose(dim0=0, dim1=1)", "narrow(dim=0, start=1, length=2)", "select(dim=0, index=k)", "view_as(y)",
        "permute(2, 0, 1)", "permute((-1, 0))", "movedim(-1, 0)", "moveaxis(0, 2)", "squeeze(-1)",
        "unflatten(0, (-1, 1))",
        "view((4, 3))", "as_strided((2, 2), (1, 2))", "diagonal(0, 1, 0)", "T.T", "t().t()", "split([1, 2])[1]",
        "reshape(-1)", "flatten()", "contiguous()", "swapdims(0, 1)", "tensor_split(2)[0]", "hsplit(2)[1]",
    ),
    "e": ("0.5", "{x}", "{x} * 0.3", "{x}.sum()", "{v} * 2", "{v}", "{x} * {x}", "({X} + {X}.mean())", "{v}.mean()"),
    "b": (
        "{n} = {v}", "{n} = {v}", "{n} = {v}", "{n} = {v}", "{n} = {x}", "{X}, {Y} = {Y}, {X}", "{X} = {X}[{i}]",
        "{n}, {n} = {x}.chunk(2)", "{n}, {n}, {n} = {x}.unbind()", "{n}, {n}, {n} = {x}", "{n}, {n} = {x}, {v}",
        "{X} = {X}.{m}", "{X} = {X} * 2", "{n} = {n} = {v}", "k = 1", "k = 0", "k += 1", "del {x}",
        "{n} = ({n} := {v})", "{n} = {x}.exp();;{n} = {v}", "{n}: torch.Tensor = {v}",
        "{n}, {n} = torch.split({x}, 2)",
        "[{n}, {n}] = {v}, {v}", "{n} = {x} * {x}", "{n}, {n} = {x}.split(2, 1)", "{n} = torch.zeros_like({x})",
    ),
    "c": (
        "{X}.mul_({e})", "{X}.add_({e})", "{X}.relu_()", "{X}.exp_()", "{X}.zero_()", "{X}.fill_(0.5)",
        "{X}.copy_({e})",
        "{X}.masked_fill_({X} > 0.8, 0.1)", "{X}.neg_().abs_()", "{X}.add_({e}).mul_({e})", "torch.sigmoid_({X})",
        "F.relu({X}, inplace=True)", "{X}[{i}].mul_({e})", "{X}.{m}.mul_({e})", "{X}.{m}[{i}].add_({e})",
        "{X}[{i}].zero_()", "{X}[{i}].copy_({e})", "{X}.fill_diagonal_(0.5)", "{X}.uniform_()", "{X}.{m}.zero_()",
        "{X}[{i}].{m}.mul_({e})", "{X}.clamp_(max=0.9)",
    ),
    "s": (
        "{x} {o}= {e}", "{x} {o}= {e}", "{x} {o}= {e}", "{x}[{i}] = {e}", "{x}[{i}] {o}= {e}", "{c}", "{c}",
        "{c}", "{c}",
        "{n} = {c}", "{X} = {c}", "{n} = {c} * {e}", "{n} = {e} + {c}", "{n} = {n} = {c}", "{X}[{X} > 0.8] = 0.25",
        "{x}.t_()", "{x}.unsqueeze_(0)", "{x}.transpose_(0, 1)", "{n} = {x}.t_()", "{x}.squeeze_()",
        "{x} {o}= {e}; {c}",
        "{X} {o}= {X}.sum()", "{X}[{X} > 0.8] {o}= 2", "{x}[{i}] {o}= {e}; {n} = {x}", "{x} {o}= {x}",
    ),
}  # fmt: skip
"""Holes of programs whose names are certainly views of each other; `b` binds, `s` writes."""

BLOCKS = (
    "if flag:;;>>{s};;<<", "if flag:;;>>{s};;<<else:;;>>{s};;<<", "if flag:;;>>{s};;{s};;<<else:;;>>{s};;<<",
    "if {w}.sum() > 0:;;>>{s};;<<", "if {x}.sum() > 0 or {c}.sum() > 0:;;>>{s};;<<",
    "if ({n} := {v}).sum() > 0:;;>>{s};;<<",
    "for i in range(2):;;>>{s};;<<", "for i in range(2):;;>>{s};;{s};;<<", "for i in range(flag):;;>>{s};;{s};;<<",
    "for i in range(len({X})):;;>>{X}[i] = {e};;<<", "for i in range(2):;;>>{x}[i] {o}= {e};;<<",
    "for i in range(2):;;>>{n} = {x}[i];;{s};;<<", "for i in range(1, 3):;;>>{X}[i] = {X}[i - 1] * 0.5;;<<",
    "for row in {x}:;;>>row.mul_(2);;<<", "for row in {x}:;;>>row += {e};;<<", "for row in {x}:;;>>{s};;<<",
    "for t in ({x}, {v}):;;>>t.mul_(2);;<<", "for t in {l}:;;>>t += 1;;<<", "for {n} in ({x}, {x}):;;>>{s};;{s};;<<",
    "for i, row in enumerate({x}):;;>>row[i] = {e};;<<", "for {n} in {x}.unbind():;;>>{s};;<<",
    "with torch.no_grad():;;>>{s};;<<", "with torch.no_grad():;;>>{s};;{s};;<<",
    "with torch.enable_grad():;;>>{s};;<<",
    "def g():;;>>return {v};;<<{s};;{n} = g()", "def g():;;>>{c};;<<{s};;g()",
    "def g(t: torch.Tensor):;;>>t.mul_(2);;return t;;<<{n} = g({x})",
    "g = lambda: {v};;{s};;{n} = g()", "try:;;>>{s};;{s};;<<except KeyError:;;>>{s};;<<",
    "try:;;>>{s};;<<finally:;;>>{s};;<<", "while flag > 5:;;>>{s};;<<",
    "match flag:;;>>case 0:;;>>{s};;<<case _:;;>>{s};;<<<<",
    "for i in range(3):;;>>if i == flag:;;>>{s};;continue;;<<{s};;<<",
    "for i in range(3):;;>>if i > flag:;;>>break;;<<{s};;<<",
    "rows = [];;for row in {x}:;;>>rows.append(row);;<<{s};;{n} = torch.stack(rows)",
    "rows = [{X}];;{X} = {X}.exp();;rows.append({X});;{X} {o}= {e};;{n} = sum(rows)",
    "{X} = {X}.sigmoid();;rows = [{X}, {v}];;{s};;{X}.mul_({e});;{n} = rows[0] * rows[1].sum()",
    "{X} = {X}.exp();;if flag:;;>>row = {X}[0];;<<else:;;>>row = {X}[1];;<<row.mul_(2);;{n} = {X} * row",
    "{X} = {X}.exp();;rows = [];;for i in range(2):;;>>rows.append({X}[i]);;<<for r in rows:;;>>r *= 2;;<<{n} = r",
    "{X} = {X}.exp();;pair = ({X}, [{v}]);;{n}, more = pair;;{s};;{n} {o}= {e};;{n} = pair[0] * more[0].sum()",
    "rows = [{x}.exp(), {v}];;{s};;rows[0][{i}] {o}= {e};;{n} = rows[0] * rows[1].sum()",
    "table = {'k': {x}.exp()};;table['m'] = {v};;table['k'][{i}] = {e};;{s};;{n} = table['m'] * table['k'].sum()",
    "rows = [r.exp() for r in {x}];;{n} = rows[k];;rows[k - 1][{i}].mul_({e});;{s};;{n} = sum(rows) * {v}",
    "rows = [];;for i in range(2):;;>>{X} = {X}.sigmoid();;rows.append({X});;{s};;{X} {o}= {e};;<<{n} = sum(rows)",
)  # fmt: skip
