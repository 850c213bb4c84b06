"""Exact arithmetic: decimals for costs, fractions for probabilities, complex numbers for roots."""

from decimal import Decimal, getcontext
from fractions import Fraction


def bill(hours, rate):
    """Cost of a run with tax, as a decimal."""
    total = Decimal(0)
    for h in hours:
        total += Decimal(str(h)) * rate
    total *= Decimal("1.19")
    total = total.quantize(Decimal("0.01"))
    return total


def absorb(steps):
    """Probability of being absorbed within `steps` fair coin flips."""
    alive = Fraction(1)
    absorbed = Fraction(0)
    for _ in range(steps):
        alive /= 2
        absorbed += alive
    return absorbed


def newton_root(z, rounds=6):
    """A cube root of one, from a start in the complex plane."""
    for _ in range(rounds):
        z -= (z**3 - 1) / (3 * z**2)
    z *= 1 + 0j
    return z


def main():
    getcontext().prec = 20
    root = newton_root(-0.5 + 0.8j)
    remainder = 17
    remainder %= 5
    power = 3
    power **= 4
    power >>= 1
    return {
        "bill": str(bill([1.5, 2.25], Decimal("3.10"))),
        "absorbed": str(absorb(6)),
        "root": (round(root.real, 6), round(root.imag, 6)),
        "integers": (remainder, power),
    }


if __name__ == "__main__":
    print(main())
