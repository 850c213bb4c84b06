"""The editor: a language server on stdio, a thin reader of the same pipeline; never imports torch.

Note [What runs in an editor]
    Looking at a file runs nothing: diagnostics, hovers and actions come from `pipeline.analyse` alone. The user's code
    runs only behind a command that the user gives (prove and apply, find the culprit), and then in a child process
    that goes through the very steps of `fixinplace fix` and `fixinplace repair`.

Note [Stale]
    A buffer is a value: every change makes a new one. Whatever takes time (an analysis, a proof, an action that is
    resolved later) remembers the buffer that it was made for, and counts for nothing once another has taken its place.
    What an action carries says the version and the digest of its text, since a version may come twice.
"""
