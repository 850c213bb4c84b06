"""Bit flags and sets, combined by `|=`, `&=`, `^=` and `-=`."""

import enum


class Access(enum.Flag):
    """What a worker may do."""

    READ = enum.auto()
    WRITE = enum.auto()
    EXECUTE = enum.auto()


class Worker:
    """Holds rights and the devices it may use."""

    def __init__(self):
        self.access = Access.READ
        self.devices = {"cpu"}
        self.mask = 0b1

    def grant(self, right, *devices):
        self.access |= right
        self.devices |= set(devices)
        for index, _ in enumerate(devices):
            self.mask |= 1 << (index + 1)

    def revoke(self, right, device=None):
        self.access &= ~right
        if device:
            self.devices -= {device}
            self.mask ^= 0b10


def toposort(graph):
    """Nodes in an order where edges point forwards."""
    incoming = {node: 0 for node in graph}
    for targets in graph.values():
        for t in targets:
            incoming[t] += 1
    ready, order = [n for n, k in incoming.items() if not k], []
    while ready:
        node = ready.pop()
        order += [node]
        for t in graph[node]:
            incoming[t] -= 1
            if not incoming[t]:
                ready += [t]
    return order


def main():
    worker = Worker()
    worker.grant(Access.WRITE | Access.EXECUTE, "cuda:0", "cuda:1")
    worker.revoke(Access.WRITE, "cuda:0")
    order = toposort({"loss": [], "head": ["loss"], "body": ["head"], "stem": ["body", "head"]})
    return {"access": str(worker.access), "devices": sorted(worker.devices), "mask": worker.mask, "order": order}


if __name__ == "__main__":
    print(main())
