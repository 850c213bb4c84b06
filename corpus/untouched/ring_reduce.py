"""A simulated ring all-reduce: workers hold lists of plain tensors and add what they receive."""

import torch


class Worker:
    """One rank with its chunks of a vector."""

    def __init__(self, rank, vector, size):
        self.rank = rank
        self.chunks = [chunk.clone() for chunk in vector.chunk(size)]
        self.received = 0

    def add(self, index, chunk):
        self.chunks[index] += chunk
        self.received += chunk.numel()

    def replace(self, index, chunk):
        self.chunks[index].copy_(chunk)
        self.received += chunk.numel()


@torch.no_grad()
def reduce(vectors):
    """Every worker ends with the sum of all vectors."""
    size = len(vectors)
    workers = [Worker(rank, vector, size) for rank, vector in enumerate(vectors)]
    for move in range(2 * size - 2):
        sent = [worker.chunks[(worker.rank - move) % size].clone() for worker in workers]
        for worker in workers:
            source = (worker.rank - 1) % size
            act = worker.add if move < size - 1 else worker.replace
            act((source - move) % size, sent[source])
    return [torch.cat(worker.chunks) for worker in workers], sum(worker.received for worker in workers)


def main():
    torch.manual_seed(63)
    vectors = [torch.randn(6) for _ in range(3)]
    sums, traffic = reduce(vectors)
    return {"sum": sums[0], "same": all(torch.allclose(s, sum(vectors)) for s in sums), "traffic": traffic}


if __name__ == "__main__":
    print(main())
