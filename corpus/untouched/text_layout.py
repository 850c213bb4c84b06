"""Paragraphs broken into lines: strings and counters grow, a tensor only measures."""

import torch


def wrap(words, width):
    """Lines of at most `width` characters."""
    lines, line = [], ""
    for word in words:
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = ""
        line += " " + word if line else word
    return [*lines, line]


def justify(line, width):
    """Blanks spread over the gaps."""
    words = line.split()
    gaps = max(len(words) - 1, 1)
    blanks = width - sum(len(word) for word in words)
    out = words[0]
    for word in words[1:]:
        share = -(-blanks // gaps)
        out += " " * share
        out += word
        blanks -= share
        gaps -= 1
    return out


def main():
    words = "autograd keeps the very tensor and not a copy of it".split()
    lines = [justify(line, 16) for line in wrap(words, 16)]
    lengths = torch.tensor([len(line) for line in lines])
    return {"lines": lines, "lengths": lengths, "widest": int(lengths.max())}


if __name__ == "__main__":
    print("\n".join(main()["lines"]))
