"""Values after something happened to their memory: a write, a new allocation, a view."""

from __future__ import annotations

from fixinplace.detect.kinds import Layout, Origin
from fixinplace.detect.replacing import replace
from fixinplace.detect.values import NOWHERE, Memories, Memory, Value, join_live, overlap


def with_gradient(value: Value, live: bool | None) -> Value:
    """A tensor, or the tensors in a container, after something that requires grad, or may, was written into it."""
    if value.tensor and not value.live:
        return replace(value, live=live)
    return replace(value, items=tuple(with_gradient(item, live) for item in value.items)) if value.items else value


def lit(value: Value, memory: Memories, live: bool | None, leaf: bool = False) -> Value:
    """`value` after something that requires grad, or may, was written into these storages."""
    if not overlap(value.memory, memory):
        return value
    if value.tensor:
        return replace(value, live=join_live(iter((live, value.live))), leaf=leaf or value.leaf)
    return replace(value, items=tuple(lit(item, memory, live, leaf) for item in value.items))


def turned(value: Value, memory: Memories, layout: Layout) -> Value:
    """`value` after the shape or the strides of a tensor in these storages were changed."""
    if not overlap(value.memory, memory):
        return value
    items = tuple(turned(item, memory, layout) for item in value.items)
    return replace(value, layout=max(value.layout, layout), items=items)


def age(value: Value, label: str) -> Value:
    """`value` with what the position `label` allocated made an earlier storage, in its elements too."""
    if not (value.memory or value.maybe) or not any(m.label == label for m in value.memory | value.maybe):
        return value
    items = tuple(age(item, label) for item in value.items)
    return replace(value, memory=aged(value.memory, label), maybe=aged(value.maybe, label), items=items)


def aged(memory: Memories, label: str) -> Memories:
    """Storages with those that the position `label` allocated made earlier ones."""
    old = (Origin.ALLOCATED, label)
    return frozenset(replace(m, origin=Origin.EARLIER) if (m.origin, m.label) == old else m for m in memory)


def moved(value: Value, memory: Memory) -> Value:
    """`value` as something that lies elsewhere, elements included."""
    items = tuple(moved(item, memory) for item in value.items)
    if not (value.tensor or items or value.memory or value.maybe):
        return value
    layout = max(value.layout, Layout.DENSE)  # whoever else holds it may have turned it
    return replace(value, memory=frozenset((memory,)), maybe=NOWHERE, items=items, layout=layout)


def cut(value: Value, source: str, index: int) -> Value:
    """One of the disjoint pieces that a call at `source` cut a tensor into."""
    if not value.tensor or any(m.cut for m in value.memory):
        return value
    return replace(value, memory=frozenset(replace(m, cut=source, index=index) for m in value.memory))
