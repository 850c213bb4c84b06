"""fixinplace: find in-place writes that break autograd, rewrite them, and prove the rewrite by running it."""

__version__ = "0.1.0"
