"""Variables that nobody reads once their loop is through, so that what they are then is no part of a program's meaning.

Note [Left behind by a loop]
    A loop variable stays bound behind its loop: to one of the views that torch forbids to write in the original, to a
    new row or to nothing in a rewritten version.  The text has to show that nobody looks.  Whatever names it outside
    the loop's body counts, whether it reads or not: another loop, a function of the file for a global, a closure, a
    text that may be evaluated.  So does whatever reads variables without naming them (`globals()`, frames,
    `__main__`), here or in a file of the user's that this one imports; a file that is not found may do anything.

Note [Where a run may be stopped]
    Variables are compared where a forward-mode run stops.  Within the loop the variable is still to be read there, so
    a loop counts only if its body calls nothing but operations of tensors and lists.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from fixinplace.repair.base import Files, Proposal, Variable
from fixinplace.repair.code import Code, Function
from fixinplace.verify.bench import Texts
from fixinplace.verify.ownership import is_foreign
from fixinplace.verify.probes import Probe

_LOOKS = re.compile(
    r"\b(?:_getframe|_current_frames|currentframe|f_locals|f_globals|f_back|tb_frame|tb_next|inspect|__main__|get_objects"
    r"|get_referrers|get_referents|settrace|setprofile|import_module|__import__|runpy|__globals__|__dict__|__closure__"
    r"|dill|cloudpickle|doctest|timeit|cProfile|pdb|breakpoint|set_trace|IPython|interact)\b"
    r"|\bsys\s*\.\s*modules\b|\bfrom\s+sys\s+import\b|\bimport\s+sys\s+as\b"
)
_GUARD = re.compile(r"""\b__name__\s*==\s*(['"])__main__\1""")
_EVALUATES = ("eval", "exec", "globals", "locals", "compile")
_QUIET = frozenset(
    "abs add addcdiv addcmul amax amin append clamp clip clone contiguous cos cumsum detach div dot exp exp2 expand "
    "flatten float floor item log log1p log_softmax matmul max mean median min mm mul neg norm numel permute pow "
    "reciprocal relu reshape round rsqrt sigmoid sign sin size softmax sqrt square squeeze std sub sum t tanh "
    "transpose tril triu unsqueeze var view where".split()
)
_BUILTINS = frozenset("abs float int len max min range round".split())
_LOUD = ("grad", "backward", "data", "grad_fn")
_MAX_FILES = 50


def left_behind(code: Code, files: Files, loop: ast.For, name: str) -> tuple[Variable, ...]:
    """The loop's variable, if the text shows that nobody reads it behind the loop; see Note [Left behind by a loop]."""
    around = [up for up in code.up(loop) if isinstance(up, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))]
    home = around[0] if around else code.tree
    if isinstance(home, ast.ClassDef) or loop.orelse or not _quiet(loop):
        return ()
    if _named(code, home, loop, name) or _declared(code, name) or _evaluated(code, name) or _looks(code.text.text):
        return ()
    variable = Variable(code.path, _qualified(around), name)
    return (variable,) if _imports_quietly(code, files, variable) else ()


def paths(proposals: Iterable[Proposal], probe: Probe, files: Files, rewritten: Texts) -> frozenset[str]:
    """Where a run of the probe records what the proposals leave behind, and nobody reads in the rewritten texts."""
    found = {each for proposal in proposals for each in proposal.unread if _is_unread(each, probe, files)}
    found = {each for each in found if not any(p.path == each.file and _read_in(p.text, each) for p in rewritten)}
    return frozenset(f"{each.name} in {each.function}()" if each.function else each.name for each in found)


def _read_in(text: str, variable: Variable) -> bool:
    """True if a text names a variable outside the loops that bind it, where its function is or one of that name."""
    tree, last = ast.parse(text), variable.function.rpartition(".")[2]
    homes = [each for each in ast.walk(tree) if isinstance(each, Function) and each.name == last]
    loops = (each for each in ast.walk(tree) if isinstance(each, ast.For) and _names(each.target, variable.name))
    bound = {id(n) for loop in loops for part in (loop.target, *loop.body) for n in _names(part, variable.name)}
    found = [n for home in (homes if variable.function else [tree]) for n in _names(home, variable.name)]
    return any(id(each) not in bound for each in found)


def _names(node: ast.AST, name: str) -> list[ast.Name]:
    return [each for each in ast.walk(node) if isinstance(each, ast.Name) and each.id == name]


def _is_unread(variable: Variable, probe: Probe, files: Files) -> bool:
    """True if no other file that a probe runs reads such a variable; a global is one of the script."""
    if variable.file == probe.path:
        return bool(variable.function) or probe.kind == "script"
    main = files(probe.path) if variable.function else None
    return main is not None and _keeps_out(main, variable) and _imports_quietly(main, files, variable)


def _imports_quietly(code: Code, files: Files, variable: Variable) -> bool:
    """True if all files are known that a file imports, and none of them reads the variables of others."""
    others = _imported(code, files)
    mine = Path(variable.file).stem in {one.split(".")[-1] for one, _ in _imports(code)} and code.path == variable.file
    return not mine and others is not None and all(_keeps_out(each, variable) for each in others)


def _quiet(loop: ast.For) -> bool:
    """True if no turn can end a run, nor keep the variable; see Note [Where a run may be stopped]."""
    for node in (each for statement in loop.body for each in ast.walk(statement)):
        match node:
            case ast.Call(func=ast.Attribute(attr=attr)) if attr.removesuffix("_") in _QUIET:
                continue
            case ast.Call(func=ast.Name(id=called)) if called in _BUILTINS:
                continue
            case ast.Call() | ast.Yield() | ast.YieldFrom() | ast.Await() | ast.Lambda() | ast.Return() | ast.With():
                return False
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.GeneratorExp() | ast.Try():
                return False
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.Global() | ast.Nonlocal() | ast.AsyncWith():
                return False
            case ast.Attribute(attr=attr) if attr in _LOUD:
                return False
    return True


def _named(code: Code, home: Function | ast.Module, loop: ast.For, name: str) -> bool:
    """True if a function, or the file for a global, names the variable anywhere else than in the loop."""
    inside = {id(each) for part in (loop.target, *loop.body) for each in ast.walk(part)}
    again = home.name if isinstance(home, Function) else ""
    named = [n for n in ast.walk(code.tree) if isinstance(n, ast.Name) and n.id == name and id(n) not in inside]
    homes = [home, *(f for f in ast.walk(code.tree) if isinstance(f, Function) and f.name == again)]
    within = {id(each) for one in homes for each in ast.walk(one)}
    return any(id(each) in within for each in named)


def _declared(code: Code, name: str) -> bool:
    """True if the name is global or nonlocal anywhere in the file, or exported by it."""
    return any(isinstance(each, (ast.Global, ast.Nonlocal)) and name in each.names for each in ast.walk(code.tree))


def _evaluated(code: Code, name: str) -> bool:
    """True if a file evaluates texts or reads tables of variables, or has a text with the name in it."""
    word, documented = re.compile(rf"\b{re.escape(name)}\b"), _docstrings(code.tree)
    for node in ast.walk(code.tree):
        match node:
            case ast.Name(id="vars" | "dir"):
                above = code.above.get(id(node))
                if not (isinstance(above, ast.Call) and above.func is node and above.args):
                    return True
            case ast.Name(id=called) if called in _EVALUATES:
                return True
            case ast.Constant(value=str(text)) if id(node) not in documented and word.search(text):
                return True
    return False


def _docstrings(tree: ast.Module) -> set[int]:
    return {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}


def _looks(text: str) -> bool:
    return _LOOKS.search(_GUARD.sub("", text)) is not None


def _keeps_out(other: Code, variable: Variable) -> bool:
    """True if another file reads no variables of others, and has no function that a report could take for this one."""
    if other.path == variable.file:
        return True
    if _looks(other.text.text) or any(isinstance(n, ast.Name) and n.id in _EVALUATES for n in ast.walk(other.tree)):
        return False
    last = variable.function.rpartition(".")[2]
    alike = (each for each in ast.walk(other.tree) if isinstance(each, Function) and each.name == last)
    if any(isinstance(n, ast.Name) and n.id == variable.name for each in alike for n in ast.walk(each)):
        return False
    return bool(variable.function) or Path(variable.file).stem not in {one.split(".")[-1] for one, _ in _imports(other)}


def _qualified(around: Sequence[Function | ast.ClassDef]) -> str:
    """The name of a function as its code object has it; around: with what it stands in, from within."""
    outer = (each.name if isinstance(each, ast.ClassDef) else f"{each.name}.<locals>" for each in around[:0:-1])
    return ".".join([*outer, *(each.name for each in around[:1])])


# --- the files that a file imports


def _imported(code: Code, files: Files) -> list[Code] | None:
    """The user's files that a file brings in, and those that they do; None if one is not found or there are many."""
    found: dict[str, Code] = {}
    open_ = [code]
    while open_:
        one = open_.pop()
        for name, level in _imports(one):
            paths = _paths(name, level, Path(one.path).parent, Path(code.path).parent)
            if not paths and not _is_installed(name, level):
                return None
            for path in paths:
                other = files(str(path))
                if other is None or len(found) == _MAX_FILES:
                    return None
                if str(path) not in found and other.path != code.path:
                    found[str(path)] = other
                    open_.append(other)
    return list(found.values())


def _imports(code: Code) -> Iterator[tuple[str, int]]:
    """Modules that a file imports, and how many folders up a relative name begins."""
    for node in ast.walk(code.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = f"{node.module}." if node.module else ""
            if node.module:
                yield node.module, node.level
            if not _is_installed(node.module or "", node.level):
                yield from ((base + alias.name, node.level) for alias in node.names)


def _paths(name: str, level: int, own: Path, main: Path) -> list[Path]:
    """The files beside this one, or beside the first, that a name may stand for, with those of its packages."""
    steps = name.split(".")
    homes = [own, main, Path.cwd()] if level == 0 else [[own, *own.parents][min(level - 1, len(own.parents))]]
    found: list[Path] = []
    for home in homes:
        for count in range(1, len(steps) + 1):
            whole = home.joinpath(*steps[:count])
            found += [each for each in (whole.with_suffix(".py"), whole / "__init__.py") if each.is_file()]
    return list(dict.fromkeys(found))


def _is_installed(name: str, level: int) -> bool:
    """True for a module of the interpreter or of an installed package, which knows nothing of the user's variables."""
    top = name.partition(".")[0]
    if level or not top:
        return False
    if top in sys.stdlib_module_names:
        return True
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return False
    return spec is not None and spec.origin is not None and is_foreign(spec.origin)
