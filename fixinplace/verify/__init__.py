"""Is it the same: both versions of a file run in child processes, and everything observable is compared.

The calling process imports `probes`, `runner` and `search`, and through them `judge`, `jobs`, `errors` and `reach`;
none of these imports torch.  Everything else runs in the fork server or in its children.
"""
