"""What happened in a run: who saved a tensor for backward, who wrote it afterwards, which backward needed it.

`events` is plain data and imports no torch; everything else here runs in the process that runs the user's code.
"""
