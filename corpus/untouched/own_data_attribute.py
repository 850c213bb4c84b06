"""Objects whose `data`, `grad` and `add_` are their own: linked nodes, a response and an audio track."""

import torch


class Node:
    """Of a linked list."""

    def __init__(self, data, following=None):
        self.data, self.following = data, following


class Response:
    """What a server sent."""

    def __init__(self, data):
        self.data, self.grad = data, 0

    def add_(self, chunk):
        self.data += chunk
        self.grad += len(chunk)
        return self


def double(node):
    """Double every number of the list."""
    while node is not None:
        node.data *= 2
        node = node.following


def main():
    head = Node(1, Node(2, Node(3)))
    double(head)
    numbers = []
    node = head
    while node is not None:
        numbers.append(node.data)
        node = node.following
    response = Response(b"ab").add_(b"cd").add_(b"e")
    return {"sum": torch.tensor(numbers).sum(), "data": response.data, "length": response.grad}


if __name__ == "__main__":
    print(main())
