"""`python -m fixinplace` and the console script."""

from __future__ import annotations

import sys

from fixinplace import __version__


def main() -> None:
    """Run the command line; the version is told before anything else is imported."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        print(f"fixinplace {__version__}")
        return
    from fixinplace import cli

    cli.run()


if __name__ == "__main__":
    main()
