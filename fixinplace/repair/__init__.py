"""Repair of one failing run: from what the tracer saw to the smallest patch that is right.

Nothing here imports torch: offences are data of `trace.events`, and running is the business of `verify`.
"""
