"""Experience replay: a deque of transitions, a ring buffer of plain tensors, and priorities in a list."""

import random
from collections import deque

import torch


class RingBuffer:
    """Preallocated observations and rewards; nothing in here requires grad."""

    def __init__(self, capacity, dim):
        self.observations = torch.zeros(capacity, dim)
        self.rewards = torch.zeros(capacity)
        self.capacity = capacity
        self.position = 0
        self.size = 0

    def push(self, observation, reward):
        with torch.no_grad():
            self.observations[self.position] = observation
            self.rewards[self.position] = reward
        self.position += 1
        self.position %= self.capacity
        self.size = min(self.size + 1, self.capacity)

    def sample(self, count, rng):
        rows = [rng.randrange(self.size) for _ in range(count)]
        return self.observations[rows], self.rewards[rows]


def main():
    torch.manual_seed(13)
    rng = random.Random(13)
    recent = deque(maxlen=3)
    priorities = [1.0] * 5
    buffer = RingBuffer(4, 2)
    for step in range(6):
        observation = torch.randn(2)
        buffer.push(observation, float(step))
        recent += [step]
        recent.rotate(1)
        priorities[step % 5] *= 0.5
        priorities[0] += 0.1
    value = torch.zeros(2, requires_grad=True)
    x, r = buffer.sample(4, rng)
    loss = (x @ value - r).square().mean()
    loss.backward()
    return {
        "recent": list(recent),
        "priorities": priorities,
        "rewards": buffer.rewards,
        "value.grad": value.grad,
        "position": buffer.position,
    }


if __name__ == "__main__":
    print(main())
