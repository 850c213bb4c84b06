"""Dijkstra, union-find and a sieve: algorithms whose subscript stores hit lists and dicts."""

import heapq


def shortest(graph, source):
    """Distances from `source`; graph maps node to {neighbour: cost}."""
    distance = {node: float("inf") for node in graph}
    distance[source] = 0
    heap = [(0, source)]
    relaxed = 0
    while heap:
        cost, node = heapq.heappop(heap)
        if cost > distance[node]:
            continue
        for neighbour, weight in graph[node].items():
            through = cost
            through += weight
            if through < distance[neighbour]:
                distance[neighbour] = through
                heapq.heappush(heap, (through, neighbour))
                relaxed += 1
    return distance, relaxed


def components(count, pairs):
    """Number of connected components by union-find."""
    parent = list(range(count))
    size = [1] * count

    def find(x):
        while parent[x] != x:
            parent[x] = parent[parent[x]]
            x = parent[x]
        return x

    for a, b in pairs:
        a, b = find(a), find(b)
        if a != b:
            parent[a] = b
            size[b] += size[a]
            count -= 1
    return count, max(size)


def primes(limit):
    """Sieve of Eratosthenes."""
    sieve = [True] * limit
    sieve[0:2] = [False, False]
    i = 2
    while i * i < limit:
        if sieve[i]:
            sieve[i * i :: i] = [False] * len(sieve[i * i :: i])
        i += 1
    return [n for n, is_prime in enumerate(sieve) if is_prime]


def main():
    graph = {"a": {"b": 4, "c": 1}, "b": {"d": 1}, "c": {"b": 2, "d": 7}, "d": {}}
    distance, relaxed = shortest(graph, "a")
    return {"distance": distance, "relaxed": relaxed, "parts": components(6, [(0, 1), (2, 3), (1, 3)]), "p": primes(20)}


if __name__ == "__main__":
    print(main())
