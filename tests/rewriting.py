"""Sites written down by hand, so that rewrites are tested on facts that are stated and not inferred."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from fixinplace import catalogue, detect, rewrite, source
from fixinplace.model import Certainty, Facts, Finding, Fix, Found, Place, Refused, Site, Span

_HEADERS = (ast.If, ast.While, ast.For, ast.With, ast.Match)


def cloned() -> torch.autograd.graph.saved_tensors_hooks:
    """What is saved is a copy: torch's own context for writes takes one storage for another once in a while."""
    return torch.autograd.graph.saved_tensors_hooks(lambda saved: saved.detach().clone(), lambda kept: kept)


@dataclass(frozen=True)
class At:
    """The site whose text is `code`; the op is the catalogue's, the target and its place are read off the operand."""

    code: str
    op: str
    target: str
    facts: Facts


def at(code: str, op: str, target: str = "x", place: Place = Place.NAME, **facts) -> At:
    """A tracked site without doubts in a file where torch is `torch`; `facts` overrides."""
    given = {"tracked": True, "torch": "torch", **facts}
    return At(code, op, target, Facts(place=place, **given))


def found(part: source.Text, sites: tuple[At, ...]) -> tuple[Found, ...]:
    """The sites with their positions; each must be in the text exactly once."""
    tree = ast.parse(part.text)
    roots = list(_roots(tree))
    return tuple(_found(part, roots, site) for site in sites)


def plan(text: str, *sites: At) -> tuple[Finding, ...]:
    """The findings for a text and its sites."""
    part = source.Text(text)
    return rewrite.plan(part, found(part, sites))


def findings(text: str, run: bool = True) -> tuple[Finding, ...]:
    """What is planned for a text as detection sees it; run: whether that may be proved."""
    part = source.Text(text)
    return rewrite.plan(part, detect.scan(part, ast.parse(text)), run)


def brought_together(text: str) -> str:
    """The text with a function that leads to all of its functions and classes."""
    defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    names = [node.name for node in ast.parse(text).body if isinstance(node, defined)]
    return f"{text}\n\ndef bring_together():\n    return {', '.join(names)}\n"


def rewritten(text: str, *sites: At) -> str:
    """The text with every fix made; fails if a site is refused."""
    findings = plan(text, *sites)
    refused = [f.outcome for f in findings if isinstance(f.outcome, Refused)]
    assert not refused, refused
    return fixed(text, findings)


def fixed(text: str, findings: tuple[Finding, ...]) -> str:
    """The text with the edits of all fixes, each group once."""
    groups = {f.outcome.group: f.outcome for f in findings if isinstance(f.outcome, Fix)}
    return source.apply(text, [edit for fix in groups.values() for edit in fix.edits])


def refusals(text: str, *sites: At) -> list[str]:
    """The names of the refusals; fails if a site is rewritten."""
    findings = plan(text, *sites)
    assert all(isinstance(f.outcome, Refused) for f in findings), [f.outcome for f in findings]
    return [f.outcome.refusal for f in findings if isinstance(f.outcome, Refused)]


ASKING = "ask-names"
"""The rewrite that asks at run time who is the written tensor, and is right whichever way was taken."""


def fixes(code: str) -> list[Fix]:
    """The fixes that detection and rewriting find in a program, which gets its imports here."""
    part = source.Text("import torch\nimport functools\nfrom torch import nn\n" + code)
    findings = rewrite.plan(part, detect.scan(part, ast.parse(part.text)))
    return [f.outcome for f in findings if isinstance(f.outcome, Fix)]


def statement(part: source.Text, code: str) -> Span:
    """The innermost simple statement or header expression that holds `code`."""
    roots = [part.span(node) for node in _roots(ast.parse(part.text))]
    start = part.text.index(code)
    return next(span for span in roots if span.contains(Span(start, start + len(code))))


def _roots(tree: ast.Module) -> Iterator[ast.stmt | ast.expr]:
    for node in ast.walk(tree):
        match node:
            case ast.If(test=header) | ast.While(test=header) | ast.For(iter=header) | ast.Match(subject=header):
                yield header
            case ast.With(items=items):
                yield from (item.context_expr for item in items)
            case ast.FunctionDef(decorator_list=decorators):
                yield from decorators
            case ast.ClassDef() | ast.Try():
                pass
            case ast.stmt():
                yield node


def _found(part: source.Text, roots: list[ast.stmt | ast.expr], site: At) -> Found:
    nodes = [n for root in roots for n in ast.walk(root) if isinstance(n, ast.expr | ast.stmt)]
    spans = {part.span(n) for n in nodes if part.slice(part.span(n)) == site.code}
    assert len(spans) == 1, f"{site.code!r} is in the text {len(spans)} times"
    span = spans.pop()
    around = next(part.span(root) for root in roots if part.span(root).contains(span))
    where = Site(_rule(site), site.op, site.target, span, around, "f", Certainty.TYPED)
    return Found(where, site.facts)


def _rule(site: At) -> str:
    if site.op == "torch.nn.Module.inplace":
        return "FIP108"
    if site.op.startswith("Tensor.__i"):
        return {Place.NAME: "FIP101", Place.ATTRIBUTE: "FIP102"}.get(site.facts.place, "FIP103")
    writer = catalogue.writer(site.op)
    return "FIP116" if writer is None or writer.rule is None else writer.rule
