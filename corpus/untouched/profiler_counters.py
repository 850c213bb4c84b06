"""Data classes that count: a small profiler with nested scopes."""

from dataclasses import dataclass, field


@dataclass
class Timing:
    """Calls and ticks of one scope."""

    calls: int = 0
    ticks: float = 0.0
    children: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)

    def record(self, ticks, note=None):
        self.calls += 1
        self.ticks += ticks
        if note:
            self.notes += [note]


@dataclass
class Profiler:
    """A tree of timings driven by a fake clock."""

    clock: float = 0.0
    root: Timing = field(default_factory=Timing)

    def scope(self, *names):
        node = self.root
        for name in names:
            node = node.children.setdefault(name, Timing())
        return node

    def run(self, cost, *names):
        self.clock += cost
        self.scope(*names).record(cost, note=f"at {self.clock:g}")


def main():
    profiler = Profiler()
    for step in range(3):
        profiler.run(1.0, "train", "forward")
        profiler.run(2.0, "train", "backward")
        profiler.scope("train").calls += 1
        profiler.scope("train").ticks *= 1.0
        profiler.root.ticks += step
    forward = profiler.scope("train", "forward")
    share = forward.ticks
    share /= profiler.clock
    return {"clock": profiler.clock, "share": share, "notes": forward.notes, "root": profiler.root.ticks}


if __name__ == "__main__":
    print(main())
