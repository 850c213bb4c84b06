"""Calls of somebody else's run: recorded as shapes and constructors, kept in a file, replayed as probes.

Note [How a run is watched]
    The calls that matter are few and known before: detection tells which functions hold a site that has a fix.  Each
    Python that the command starts finds our `sitecustomize` first, which sets a profile function, in new threads too.
    That sees every call whoever makes it: of functions that a test module holds under pytest's own loader, of a
    script's `__main__`, of what is decorated; nothing of the user's is wrapped, replaced or compiled anew, so identity,
    pickling, TorchScript and coverage (which traces, and does not profile) are as they were.  What it costs is one
    look-up by identity at every call and return.  Measured on Python 3.11 and one thread: a forward of 40 layers of
    width 16 takes 1.4 ms instead of 0.5 to 0.8, of width 256 (batches of 64) 15 to 45 % more, and Python that does
    nothing but call functions ten times as long and more.  The alternative, code with a call built in at import,
    costs nothing elsewhere, but misses scripts and pytest's test modules, and changes what `inspect` and compilers see.

    Not covered: a Python older than 3.11, one that ignores `PYTHONPATH` (`-E`, `-I`) or `sitecustomize` (`-S`), a
    program that sets a profile function itself (`cProfile`), threads of C++ (custom functions in a backward), code that
    `torch.compile` or TorchScript has taken over, generators and coroutines.

Note [What is kept of a value]
    No element of a floating tensor, ever: shape, dtype, strides, device, whether it requires grad.  Of integer tensors
    also the smallest and the largest element: a token or class index that is out of bounds would end the replay, and
    two numbers of the whole tensor say no more than the size of a vocabulary usually does.  Numbers, truth values and
    None are kept as they are, since they are what a configuration consists of.  A string is kept only where the
    project's own source spells it out: then the file gives nothing away that the repository does not; anything else
    becomes a numbered placeholder.  Objects are the call that made them, functions and classes their import path.
    What cannot be kept so leaves its call out, and is counted with the reason.

Note [Recorded before guessed]
    A recorded call is real: its sizes fit each other, which is what guessing spends its time on.  So it comes after
    what the author wrote to be run (probes, scripts, examples in docstrings) and before made inputs, which are then
    looked for only where no recorded call comes by the edited code.  What it does not have is generic values: the
    replay draws them, from a seed that depends on the call alone, and takes gradients although a smoke test may have
    switched them off, once more with gradients for every floating input, and once more in float64.
"""
