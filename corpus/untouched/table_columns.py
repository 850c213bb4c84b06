"""A minimal column table with the attribute style of data frame libraries, and its `inplace` keyword."""


class Column(list):
    """A list with arithmetic on every element."""

    def __iadd__(self, other):
        self[:] = [a + other for a in self]
        return self

    def __itruediv__(self, other):
        self[:] = [a / other for a in self]
        return self

    def mean(self):
        return sum(self) / len(self)


class Table:
    """Columns by name, reachable as attributes and by subscript."""

    def __init__(self, **columns):
        self.__dict__.update({name: Column(values) for name, values in columns.items()})

    def __getitem__(self, name):
        return self.__dict__[name]

    def __setitem__(self, name, values):
        self.__dict__[name] = Column(values)

    def fillna(self, value, inplace=False):
        for column in self.__dict__.values():
            filled = [value if v is None else v for v in column]
            if inplace:
                column[:] = filled
        return None if inplace else self

    def sort(self, by, inplace=False):
        order = sorted(range(len(self[by])), key=self[by].__getitem__)
        for name in list(self.__dict__):
            self[name] = [self[name][i] for i in order]
        return None if inplace else self


def main():
    df = Table(weight=[3.0, None, 5.0], height=[1.0, 2.0, 0.5])
    df.fillna(4.0, inplace=True)
    df.sort("height", inplace=True)
    df["ratio"] = [w / h for w, h in zip(df.weight, df.height, strict=True)]
    df.weight += 1
    df["height"] /= 2
    mask = [r > 3 for r in df["ratio"]]
    df["flag"] = mask
    return {"weight": df.weight, "height": df.height, "ratio": df["ratio"], "mean": df["ratio"].mean()}


if __name__ == "__main__":
    print(main())
