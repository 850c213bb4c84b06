"""Byte-pair encoding on a toy text: strings, sets, tuples and lists grow by `+=` and `|=`."""


def words_to_symbols(text):
    """Word frequencies with every word as a tuple of symbols."""
    table = {}
    for word in text.split():
        symbols = tuple(word) + ("</w>",)
        table[symbols] = table.get(symbols, 0) + 1
    return table


def pair_counts(table):
    """How often two symbols stand side by side."""
    counts = {}
    for symbols, n in table.items():
        for pair in zip(symbols, symbols[1:], strict=False):
            counts[pair] = counts.get(pair, 0)
            counts[pair] += n
    return counts


def merge(table, pair):
    """The table with `pair` glued together."""
    merged = {}
    for symbols, n in table.items():
        out, i = (), 0
        while i < len(symbols):
            if symbols[i : i + 2] == pair:
                out += (symbols[i] + symbols[i + 1],)
                i += 2
            else:
                out += (symbols[i],)
                i += 1
        merged[out] = merged.get(out, 0) + n
    return merged


def main():
    table = words_to_symbols("low low lower newest newest widest")
    symbols = set("lowernstid")
    merges = []
    for _ in range(5):
        counts = pair_counts(table)
        pair = max(sorted(counts), key=counts.get)
        table = merge(table, pair)
        merges += [pair]
        symbols |= {"".join(pair)}
    symbols -= {"x"}
    symbols &= symbols | {"</w>"}
    text = ""
    for a, b in merges:
        text += a + "+" + b + " "
    text *= 2
    return {"merges": merges, "symbols": sorted(symbols), "text": text}


if __name__ == "__main__":
    print(main())
