"""How the tests run a suite of their own: without the plugins of this environment, which load more slowly than torch.

A run of `repair` starts pytest a dozen times.  The plugin of fixinplace itself stays.
"""

from __future__ import annotations

_PLUGINS = ("asyncio", "hypothesispytest", "pytest-lsp", "syrupy", "xdist", "xdist.looponfail", "cacheprovider")
PYTEST = ("-m", "pytest", "-q", *(word for name in _PLUGINS for word in ("-p", f"no:{name}")))
