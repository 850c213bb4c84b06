"""A tree of objects with counters, names and child lists in attributes."""


class Node:
    """A named node with a depth, a size and children."""

    created = 0

    def __init__(self, name, parent=None):
        Node.created += 1
        self.name = name
        self.parent = parent
        self.children = []
        self.size = 1
        self.path = name
        if parent is not None:
            parent.children += [self]
            self.path = parent.path
            self.path += "/" + name
            node = parent
            while node is not None:
                node.size += 1
                node = node.parent

    def remove(self, child):
        self.children[:] = [c for c in self.children if c is not child]
        node = self
        while node is not None:
            node.size -= child.size
            node = node.parent


def breadth_first(root):
    """Names level by level."""
    level, names = [root], []
    while level:
        names += [node.name for node in level]
        following = []
        for node in level:
            following += node.children
        level = following
    return names


def main():
    root = Node("root")
    nodes = {"root": root}
    for parent, name in [("root", "a"), ("root", "b"), ("a", "c"), ("c", "d")]:
        nodes[name] = Node(name, nodes[parent])
    nodes["a"].remove(nodes["c"])
    nodes["b"].size *= 3
    return {"size": root.size, "names": breadth_first(root), "path": nodes["d"].path, "b": nodes["b"].size}


if __name__ == "__main__":
    print(main())
