"""Objects with an `__iadd__` of their own: a meter, a polynomial and a pipeline."""

import torch


class Meter:
    """Running average; `meter += value` records."""

    def __init__(self):
        self.values = []

    def __iadd__(self, value):
        self.values.append(float(value))
        return self

    @property
    def average(self):
        return sum(self.values) / len(self.values)


class Polynomial:
    """Coefficients by rising power; `*=` multiplies in place."""

    def __init__(self, *coefficients):
        self.coefficients = list(coefficients)

    def __imul__(self, other):
        result = [0.0] * (len(self.coefficients) + len(other.coefficients) - 1)
        for i, a in enumerate(self.coefficients):
            for j, b in enumerate(other.coefficients):
                result[i + j] += a * b
        self.coefficients = result
        return self

    def __call__(self, x):
        return sum(c * x**i for i, c in enumerate(self.coefficients))


class Pipeline:
    """Transforms in order; `|=` appends one."""

    def __init__(self):
        self.steps = []

    def __ior__(self, step):
        self.steps.append(step)
        return self

    def __call__(self, x):
        for step in self.steps:
            x = step(x)
        return x


def main():
    torch.manual_seed(9)
    meter = Meter()
    polynomial = Polynomial(1.0, 2.0)
    polynomial *= Polynomial(0.0, 1.0)
    pipeline = Pipeline()
    pipeline |= torch.tanh
    pipeline |= polynomial
    x = torch.randn(4, requires_grad=True)
    for scale in (1.0, 0.5):
        loss = pipeline(x * scale).sum()
        loss.backward()
        meter += loss.item()
    return {"average": meter.average, "coefficients": polynomial.coefficients, "x.grad": x.grad}


if __name__ == "__main__":
    print(main())
