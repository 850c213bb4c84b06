"""Asynchronous workers with a shared counter: attributes of plain objects under `+=` and `-=`."""

import asyncio

import torch


class Pool:
    """Counts what is running and what is done."""

    def __init__(self):
        self.running = self.done = self.peak = 0
        self.results = []

    async def work(self, x):
        self.running += 1
        self.peak = max(self.peak, self.running)
        await asyncio.sleep(0)
        self.results += [float(x.square().sum())]
        self.running -= 1
        self.done += 1


async def run(pool, items):
    await asyncio.gather(*(pool.work(x) for x in items))


def main():
    pool = Pool()
    asyncio.run(run(pool, list(torch.arange(6.0).view(3, 2))))
    return {"done": pool.done, "peak": pool.peak, "results": sorted(pool.results)}


if __name__ == "__main__":
    print(main())
