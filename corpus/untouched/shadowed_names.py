"""Names that look like torch's and are something else: a lamp called torch, a force called F, a helper called relu_."""


class Lamp:
    """A torch in the literal sense."""

    def __init__(self, battery):
        self.battery = battery
        self.log = []

    def relu_(self, level):
        self.log.append(f"relu {level}")
        return max(level, 0)

    def add(self, a, b, out):
        out.append(a + b)
        return out


def relu_(values):
    """Keep the positive entries of a list, in place."""
    values[:] = [v for v in values if v > 0]
    return values


class Spring:
    """Hooke's law with a force that is called F."""

    def __init__(self, stiffness):
        self.F = 0.0
        self.stiffness = stiffness

    def relu(self, x, inplace):
        return max(x, 0.0) if inplace else x

    def pull(self, distance):
        F = self
        self.F += F.relu(self.stiffness * distance, inplace=True)
        return self.F


def main():
    torch = Lamp(battery=3)
    level = torch.relu_(-2)
    torch.battery -= 1
    sums = torch.add(1, 2, out=[])
    sums[0] += 10
    kept = relu_([3, -1, 4])
    spring = Spring(2.0)
    nn = [spring.pull(d) for d in (0.5, -1.0)]
    nn += [level]
    return {"battery": torch.battery, "log": torch.log, "sums": sums, "kept": kept, "forces": nn}


if __name__ == "__main__":
    print(main())
