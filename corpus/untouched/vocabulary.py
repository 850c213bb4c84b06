"""A vocabulary: dictionaries, counters and default dictionaries are updated in place."""

from collections import Counter, defaultdict

import torch


class Vocabulary:
    """Maps words to indices by falling frequency."""

    def __init__(self, specials=("<pad>", "<unk>")):
        self.counts = Counter()
        self.index = {}
        self.specials = list(specials)

    def add(self, sentence):
        words = sentence.lower().split()
        self.counts.update(words)
        self.counts["<total>"] += len(words)

    def build(self, minimum=1):
        total = self.counts.pop("<total>", 0)
        for special in self.specials:
            self.index[special] = len(self.index)
        for word, count in self.counts.most_common():
            if count >= minimum:
                self.index[word] = len(self.index)
        return total

    def encode(self, sentence):
        unknown = self.index["<unk>"]
        return torch.tensor([self.index.get(w, unknown) for w in sentence.lower().split()])


def main():
    sentences = ["the cat sat", "the dog sat on the mat", "a cat and a dog"]
    vocabulary = Vocabulary()
    lengths = defaultdict(int)
    bigrams = defaultdict(Counter)
    for sentence in sentences:
        vocabulary.add(sentence)
        words = sentence.split()
        lengths[len(words)] += 1
        for a, b in zip(words, words[1:], strict=False):
            bigrams[a][b] += 1
    total = vocabulary.build()
    extra = {"zebra": 3}
    extra |= {"yak": 2}
    vocabulary.counts -= Counter({"the": 1})
    return {
        "total": total,
        "encoded": vocabulary.encode("the cat flew"),
        "lengths": dict(lengths),
        "after the": dict(bigrams["the"]),
        "extra": extra,
        "the": vocabulary.counts["the"],
    }


if __name__ == "__main__":
    print(main())
