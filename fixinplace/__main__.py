"""`python -m fixinplace` and the console script."""

from __future__ import annotations

import sys

from fixinplace import __version__, warm

_DEEPEST = 10_000
"""Levels of calls for generated code: a chain of a thousand method calls nests a thousand expressions."""


def main() -> None:
    """Run the command line; the version is told before anything else is imported."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        print(f"fixinplace {__version__}")
        return
    if sys.argv[1:] in (["lsp"], ["lsp", "--stdio"]):  # an editor waits: nothing is imported that it does not need
        from fixinplace.lsp.start import main as serve

        sys.exit(serve())
    code = warm.again(sys.argv[1:])
    if code is not None:
        sys.exit(code)
    from fixinplace import cli

    sys.setrecursionlimit(max(_DEEPEST, sys.getrecursionlimit()))
    cli.run()


if __name__ == "__main__":
    main()
