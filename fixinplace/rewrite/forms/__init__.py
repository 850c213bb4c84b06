"""One file per rewrite; each holds a `REWRITE`."""
