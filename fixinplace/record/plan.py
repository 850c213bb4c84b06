"""What a recorded run has to watch: the functions and classes that hold a site with a fix; the project's strings."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fixinplace.model import Finding, Fix, Span
from fixinplace.source import Source, Text

_LONGEST_STRING = 80
_DECORATED = {"staticmethod": "function", "classmethod": "classmethod"}
_UNWATCHED = ("property", "cached_property", "overload", "setter")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(slots=True)
class Watched:
    """What is watched of one file: qualified names of functions with what they are, and of classes."""

    functions: dict[str, str] = field(default_factory=dict)
    classes: list[str] = field(default_factory=list)

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.classes, *self.functions)


@dataclass(slots=True)
class Plan:
    """files: what is watched, by paths below the root. project: all its files. strings: what its source spells out."""

    root: Path
    files: dict[str, Watched] = field(default_factory=dict)
    project: list[str] = field(default_factory=list)
    strings: set[str] = field(default_factory=set)

    def add(self, source: Source, findings: Sequence[Finding]) -> None:
        """Take a file in, with what detection found in it."""
        shown = Path(os.path.relpath(source.path, self.root)).as_posix()
        self.project.append(shown)
        try:
            tree = ast.parse(source.part.text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return  # nothing that could run
        self.strings |= _strings(tree)
        fixes = [each for each in findings if isinstance(each.outcome, Fix)]
        spans = {span for each in fixes for span in _spans(each)}
        watched = Watched()
        for span in sorted(spans, key=lambda each: (each.start, each.end)):
            _watch(watched, tree, source.part, span)
        if watched.names:
            self.files[shown] = watched

    def data(self) -> dict[str, object]:
        """As the hook reads it; paths are real and absolute."""

        def real(shown: str) -> str:
            return os.path.realpath(self.root / shown)

        files = {
            real(shown): {"shown": shown, "functions": each.functions, "classes": each.classes}
            for shown, each in self.files.items()
        }
        project = {real(shown): shown for shown in self.project}
        return {"files": files, "project": project, "strings": sorted(self.strings)}


def _spans(finding: Finding) -> Iterator[Span]:
    yield finding.site.span
    outcome = finding.outcome
    yield from (edit.span for edit in outcome.edits) if isinstance(outcome, Fix) else ()


def _watch(watched: Watched, tree: ast.Module, text: Text, span: Span) -> None:
    """Watch what holds a span: the function at the top of the module or of a class, and the class itself."""
    classes: list[ast.ClassDef] = []
    body: Iterable[ast.stmt] = tree.body
    while True:
        node = next((each for each in body if _holds(each, text, span)), None)
        if isinstance(node, ast.ClassDef):
            classes.append(node)
            body = node.body
            continue
        break
    home = ".".join(each.name for each in classes)
    if classes and home not in watched.classes:
        watched.classes.append(home)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (kind := _kind(node, bool(classes))):
        watched.functions[f"{home}.{node.name}" if classes else node.name] = kind


def _holds(node: ast.stmt, text: Text, span: Span) -> bool:
    return isinstance(node, ast.ClassDef | Function) and text.span(node).contains(span)


def _kind(node: Function, in_class: bool) -> str:
    """What a function is called as; empty for what is not watched."""
    names = {ast.unparse(each).partition("(")[0].rpartition(".")[2] for each in node.decorator_list}
    if node.name == "__init__" or isinstance(node, ast.AsyncFunctionDef) or names & {*_UNWATCHED}:
        return ""
    kind = next((_DECORATED[each] for each in names if each in _DECORATED), "")
    return kind or ("method" if in_class else "function")


def _strings(tree: ast.Module) -> set[str]:
    """Short strings and names of arguments in a file; what stands alone, as a docstring does, is no value."""
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    words = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg | ast.keyword) and node.arg is not None}
    return words | {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone
        and len(node.value) <= _LONGEST_STRING
    }  # fmt: skip
