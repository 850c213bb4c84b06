"""Deques, heaps and chained maps: containers that grow and shrink in place next to a tensor or two."""

import heapq
from collections import ChainMap, deque

import torch


class Scheduler:
    """Runs jobs by priority and remembers the last results."""

    def __init__(self, keep):
        self.heap, self.recent, self.order = [], deque(maxlen=keep), 0

    def submit(self, priority, job):
        heapq.heappush(self.heap, (priority, self.order, job))
        self.order += 1

    def run(self):
        while self.heap:
            _, _, job = heapq.heappop(self.heap)
            self.recent += [job()]
        return list(self.recent)


def main():
    torch.manual_seed(69)
    x = torch.randn(4)
    scheduler = Scheduler(keep=2)
    scheduler.submit(3, lambda: x.sum().item())
    scheduler.submit(1, lambda: x.max().item())
    scheduler.submit(2, lambda: x.min().item())
    settings = ChainMap({}, {"rate": 0.1, "tags": ["a"]})
    settings["rate"] *= 2
    settings["tags"] += ["b"]
    turns = deque(range(5))
    turns.rotate(2)
    turns += turns
    return {"results": scheduler.run(), "rate": settings["rate"], "tags": settings["tags"], "turns": list(turns)}


if __name__ == "__main__":
    print(main())
